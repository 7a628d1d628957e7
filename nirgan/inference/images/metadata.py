"""What a file says about its colors: that no camera saw them, and which model made them.

In words, and for programs in IPTC's vocabulary of digital sources
(https://cv.iptc.org/newscodes/digitalsourcetype/). Its term for what a trained model made of a
camera's picture is `compositeWithTrainedAlgorithmicMedia`; `trainedAlgorithmicMedia` is for
pictures without one.
"""

import struct
import zlib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from xml.dom.minidom import parseString
from xml.parsers.expat import ExpatError
from xml.sax.saxutils import escape, quoteattr

from nirgan.data.decoding.metadata import EXIF, GPS
from nirgan.data.decoding.picture import Metadata, Tag
from nirgan.data.decoding.png import chunk

SYNTHETIC_SOURCE_TYPE = (
    "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
)
DESCRIPTION, SOFTWARE, XMP, ICC = 270, 305, 700, 34675
XMP_TRAILER = b'<?xpacket end="w"?>'
X_PER_UNIT, Y_PER_UNIT, UNIT = 282, 283, 296
WIDTH, HEIGHT = 40962, 40963
"""In EXIF's directory."""
MetadataValue = str | bytes | Sequence[int] | Tag
JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
MAX_SEGMENT_BYTES = 65_000
"""Bytes of XMP, of EXIF or of a part of a profile that a segment of a JPEG takes, about."""
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
REPLACED = (
    ("http://ns.adobe.com/xap/1.0/", "CreatorTool"),
    ("http://purl.org/dc/elements/1.1/", "description"),
    ("http://iptc.org/std/Iptc4xmpExt/2008-02-29/", "DigitalSourceType"),
    ("http://ns.adobe.com/tiff/1.0/", "Orientation"),  # pictures are written upright
)
"""Of a camera's XMP."""


def description(title: str) -> str:
    """For people.

    Args:
        title: The model with its version, `Colorizer.title`.
    """
    return f"Synthetic colors, made from near-infrared by {title}"


def xmp(title: str, former: bytes = b"") -> bytes:
    """For programs: an XMP packet with the digital source type.

    Args:
        title: The model with its version, `Colorizer.title`.
        former: The camera's packet, whose other properties are kept if it can be read.
    """
    own = _own_xmp(title)
    if not former or b"<!DOCTYPE" in former:  # which could make a terabyte of a line
        return own
    try:
        tree = parseString(former.strip(b"\0 \r\n"))
        (properties,) = tree.getElementsByTagNameNS(RDF, "RDF")
        (ours,) = parseString(own).getElementsByTagNameNS(RDF, "Description")
    except (ExpatError, ValueError):
        return own
    for about in properties.getElementsByTagNameNS(RDF, "Description"):
        for space, name in REPLACED:
            if about.hasAttributeNS(space, name):
                about.removeAttributeNS(space, name)
            for child in [
                c for c in about.childNodes if (c.namespaceURI, c.localName) == (space, name)
            ]:
                about.removeChild(child)
    ours.setAttribute("xmlns:rdf", RDF)
    properties.appendChild(tree.importNode(ours, True))
    root = "".join(n.toxml() for n in tree.childNodes if n.nodeType == n.ELEMENT_NODE)
    packet = own[: own.index(b"?>") + 2] + root.encode() + XMP_TRAILER
    return packet if len(packet) <= MAX_SEGMENT_BYTES else own


def _own_xmp(title: str) -> bytes:
    title = "".join(letter if letter.isprintable() else " " for letter in title)
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/"'
        ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
        f' xmp:CreatorTool={quoteattr(title)} Iptc4xmpExt:DigitalSourceType="{SYNTHETIC_SOURCE_TYPE}">'
        '<dc:description><rdf:Alt><rdf:li xml:lang="x-default">'
        f"{escape(description(title))}"
        "</rdf:li></rdf:Alt></dc:description></rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode() + XMP_TRAILER


def png_chunks(title: str, of_camera: Metadata, size: tuple[int, int]) -> bytes:
    """Chunks that stand between a PNG's header and its pixels.

    Args:
        title: The model with its version, `Colorizer.title`.
        of_camera: What is kept.
        size: Width and height.
    """
    chunks = b""
    if profile := profile_of(of_camera):
        chunks += chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(profile))
    if of_camera.dpi:
        per_meter = (min(round(dpi / 0.0254), 2**31 - 1) for dpi in of_camera.dpi)
        chunks += chunk(b"pHYs", struct.pack(">IIB", *per_meter, 1))
    chunks += chunk(b"eXIf", exif(title, of_camera, size))
    texts = {
        "Description": description(title).encode(),
        "Software": title.encode(),
        "XML:com.adobe.xmp": xmp(title, of_camera.xmp),
    }
    for name, text in texts.items():
        chunks += chunk(b"iTXt", name.encode() + bytes(5) + text)
    return chunks


def jpeg_start(start: bytes, title: str, of_camera: Metadata, size: tuple[int, int]) -> bytes:
    """A JPEG's beginning, with EXIF, XMP and a profile.

    Args:
        start: To the end of its first segment, JFIF's.
        title: The model with its version, `Colorizer.title`.
        of_camera: What is kept.
        size: Width and height.
    """
    if of_camera.dpi:
        dpi = (min(round(dpi), 65535) for dpi in of_camera.dpi)
        start = start[:13] + struct.pack(">BHH", 1, *dpi) + start[18:]
    profile = profile_of(of_camera)
    parts = [
        profile[place : place + MAX_SEGMENT_BYTES]
        for place in range(0, len(profile), MAX_SEGMENT_BYTES)
    ]
    packets = [
        (0xFFE1, b"Exif\0\0" + exif(title, of_camera, size)),
        (0xFFE1, JPEG_XMP + xmp(title, of_camera.xmp)),
        *((0xFFE2, b"ICC_PROFILE\0" + bytes([n, len(parts)]) + p) for n, p in enumerate(parts, 1)),
    ]
    return start + b"".join(struct.pack(">HH", m, len(body) + 2) + body for m, body in packets)


def profile_of(of_camera: Metadata) -> bytes:
    """The camera's color profile if it is one of red, green and blue.

    One of a grey picture has one curve and says nothing of three channels; without a profile colors
    are taken for sRGB, which is what methods have learned.
    """
    return of_camera.icc if of_camera.icc[16:20] == b"RGB " else b""


def exif(title: str, of_camera: Metadata, size: tuple[int, int]) -> bytes:
    """EXIF, which begins as a TIFF file does.

    Args:
        title: The model with its version, `Colorizer.title`.
        of_camera: What is kept.
        size: Width and height.
    """
    directories, main = tags_of(title, of_camera, size, {}, 8)
    return struct.pack("<2sHI", b"II", 42, main) + directories


def tags_of(
    title: str,
    of_camera: Metadata,
    size: tuple[int, int],
    tags: Mapping[int, MetadataValue],
    place: int,
) -> tuple[bytes, int]:
    """The directories of a TIFF file or of EXIF, the main one last.

    Args:
        title: The model with its version, `Colorizer.title`.
        of_camera: What is kept.
        size: Width and height.
        tags: Further ones, which come before the camera's.
        place: Where in the file they begin, an even number.

    Returns:
        They, and the place of the main one.
    """
    main: dict[int, MetadataValue] = {
        **of_camera.tags,
        DESCRIPTION: description(title),
        SOFTWARE: title,
    }
    if of_camera.dpi:
        for tag, dpi in zip((X_PER_UNIT, Y_PER_UNIT), of_camera.dpi, strict=True):
            ratio = Fraction(min(dpi, 1e6)).limit_denominator(1000)
            main[tag] = Tag(5, 1, struct.pack("<II", *ratio.as_integer_ratio()))
        main[UNIT] = [2]
    inner: dict[int, Mapping[int, MetadataValue]] = {EXIF: of_camera.exif, GPS: of_camera.gps}
    if of_camera.exif:
        inner[EXIF] = {**of_camera.exif, WIDTH: [size[0]], HEIGHT: [size[1]]}
    made = b""
    for pointer, inside in inner.items():
        if inside:
            main[pointer] = Tag(4, 1, struct.pack("<I", place + len(made)))
            made += directory(inside, place + len(made))
    return made + directory({**main, **tags}, place + len(made)), place + len(made)


def directory(tags: Mapping[int, MetadataValue], place: int) -> bytes:
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


def _field(value: MetadataValue) -> tuple[int, int, bytes]:
    """Type, count and bytes."""
    if isinstance(value, Tag):
        return value.code, value.count, value.raw
    if isinstance(value, str):
        raw = value.encode() + b"\0"
        return 2, len(raw), raw
    if isinstance(value, bytes):
        return 1, len(value), value
    short = max(value) < 2**16
    return (3 if short else 4), len(value), struct.pack(f"<{len(value)}{'HI'[not short]}", *value)
