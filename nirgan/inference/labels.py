"""What a file says about its colours: that no camera saw them, and which model made them.

In words, and for programs in IPTC's vocabulary of digital sources
(https://cv.iptc.org/newscodes/digitalsourcetype/). Its term for what a trained model made of a
camera's picture is `compositeWithTrainedAlgorithmicMedia`; `trainedAlgorithmicMedia` is for
pictures without one.
"""

import struct
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape, quoteattr

from nirgan.data.decoding.png import chunk

SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
DESCRIPTION, SOFTWARE, XMP = 270, 305, 700
Field = str | bytes | Sequence[int]


def description(title: str) -> str:
    """For people.

    Args:
        title: The model with its version, `Colorizer.title`.
    """
    return f"Synthetic colours, made from near-infrared by {title}"


def xmp(title: str) -> bytes:
    """For programs: an XMP packet with the digital source type.

    Args:
        title: The model with its version, `Colorizer.title`.
    """
    title = "".join(letter if letter.isprintable() else " " for letter in title)
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/"'
        ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
        f' xmp:CreatorTool={quoteattr(title)} Iptc4xmpExt:DigitalSourceType="{SOURCE}">'
        '<dc:description><rdf:Alt><rdf:li xml:lang="x-default">'
        f"{escape(description(title))}"
        "</rdf:li></rdf:Alt></dc:description></rdf:Description></rdf:RDF></x:xmpmeta>"
        '<?xpacket end="w"?>'
    ).encode()


def png_chunks(title: str) -> bytes:
    """Chunks that stand between a PNG's header and its pixels."""
    texts = {
        "Description": description(title).encode(),
        "Software": title.encode(),
        "XML:com.adobe.xmp": xmp(title),
    }
    return b"".join(chunk(b"iTXt", name.encode() + bytes(5) + text) for name, text in texts.items())


def jpeg_segments(title: str) -> bytes:
    """EXIF and XMP, which stand behind a JPEG's first segment."""
    tags = {DESCRIPTION: description(title), SOFTWARE: title}
    exif = b"Exif\0\0" + struct.pack("<2sHI", b"II", 42, 8) + directory(tags, 8)
    packets = (exif, b"http://ns.adobe.com/xap/1.0/\0" + xmp(title))
    return b"".join(struct.pack(">HH", 0xFFE1, len(body) + 2) + body for body in packets)


def directory(tags: Mapping[int, Field], place: int) -> bytes:
    """A TIFF directory, little-endian, as the last of its file.

    Args:
        tags: Text, bytes, or whole numbers by their tag.
        place: Where in the file it stands, an even number.
    """
    entries, beyond = b"", b""
    after = place + 2 + 12 * len(tags) + 4
    for tag, value in sorted(tags.items()):
        kind, count, raw = _field(value)
        if len(raw) > 4:
            where = after + len(beyond)
            beyond += raw + bytes(len(raw) % 2)
            raw = struct.pack("<I", where)
        entries += struct.pack("<HHI", tag, kind, count) + raw.ljust(4, b"\0")
    return struct.pack("<H", len(tags)) + entries + bytes(4) + beyond


def _field(value: Field) -> tuple[int, int, bytes]:
    """Type, count and bytes."""
    if isinstance(value, str):
        raw = value.encode() + b"\0"
        return 2, len(raw), raw
    if isinstance(value, bytes):
        return 1, len(value), value
    short = max(value) < 2**16
    return (3 if short else 4), len(value), struct.pack(f"<{len(value)}{'HI'[not short]}", *value)
