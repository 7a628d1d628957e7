"""Metadata of written pictures: that the colors are synthetic, and which model made them.

In words, and for programs in IPTC's vocabulary of digital sources
(https://cv.iptc.org/newscodes/digitalsourcetype/). Its term for what a trained model made of a
camera's picture is `compositeWithTrainedAlgorithmicMedia`; `trainedAlgorithmicMedia` is for
pictures without one.
"""

import struct
from collections.abc import Mapping
from typing import Any
from xml.dom.minidom import parseString
from xml.parsers.expat import ExpatError
from xml.sax.saxutils import escape, quoteattr

from PIL.TiffImagePlugin import ImageFileDirectory_v2

from nirgan.data.decoding.metadata import EXIF, GPS, RESOLUTION_UNIT, X_PER_UNIT, Y_PER_UNIT
from nirgan.data.decoding.picture import Metadata, Tag

SYNTHETIC_SOURCE_TYPE = (
    "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
)
DESCRIPTION, SOFTWARE = 270, 305
XMP_TRAILER = b'<?xpacket end="w"?>'
WIDTH, HEIGHT = 40962, 40963
"""Tags of the size in EXIF's directory."""
MAX_SEGMENT_BYTES = 65_000
"""Bytes of XMP that a segment of a JPEG takes, about."""
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
REPLACED = (
    ("http://ns.adobe.com/xap/1.0/", "CreatorTool"),
    ("http://purl.org/dc/elements/1.1/", "description"),
    ("http://iptc.org/std/Iptc4xmpExt/2008-02-29/", "DigitalSourceType"),
    ("http://ns.adobe.com/tiff/1.0/", "Orientation"),  # pictures are written upright
)
"""Properties of a camera's XMP that are replaced: namespace and name."""


def description(title: str) -> str:
    """The description for people; `title` is that of a `Colorizer`."""
    return f"Synthetic colors, made from near-infrared by {title}"


def xmp(title: str, former: bytes = b"") -> bytes:
    """An XMP packet for programs, with the digital source type.

    Other properties of the camera's packet are kept if it can be read.
    """
    own = _own_xmp(title)
    if not former or b"<!DOCTYPE" in former:  # entities could expand to terabytes
        return own
    try:
        tree = parseString(former.strip(b"\0 \r\n"))
        (properties,) = tree.getElementsByTagNameNS(RDF, "RDF")
        (ours,) = parseString(own).getElementsByTagNameNS(RDF, "Description")
        for about in properties.getElementsByTagNameNS(RDF, "Description"):
            for space, name in REPLACED:
                if about.hasAttributeNS(space, name):
                    about.removeAttributeNS(space, name)
                for child in list(about.childNodes):
                    if (child.namespaceURI, child.localName) == (space, name):
                        about.removeChild(child)
        ours.setAttribute("xmlns:rdf", RDF)
        properties.appendChild(tree.importNode(ours, True))
        root = "".join(n.toxml() for n in tree.childNodes if n.nodeType == n.ELEMENT_NODE)
    except (ExpatError, LookupError, RecursionError, ValueError):  # lookup: of its encoding
        return own
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
        f" xmp:CreatorTool={quoteattr(title)}"
        f' Iptc4xmpExt:DigitalSourceType="{SYNTHETIC_SOURCE_TYPE}">'
        '<dc:description><rdf:Alt><rdf:li xml:lang="x-default">'
        f"{escape(description(title))}"
        "</rdf:li></rdf:Alt></dc:description></rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode() + XMP_TRAILER


def profile_of(of_camera: Metadata) -> bytes:
    """The camera's color profile if it is one of red, green and blue.

    One of a grey picture has one curve and says nothing of three channels; without a profile colors
    are taken for sRGB, which is what methods have learned.
    """
    return of_camera.icc if of_camera.icc[16:20] == b"RGB " else b""


def exif(
    title: str, of_camera: Metadata, size: tuple[int, int], own: Mapping[int, Any] | None = None
) -> bytes:
    """EXIF, which begins as a TIFF file does, of a width and height.

    `own` are further tags, which come before the camera's, of a TIFF whose pixels are to follow:
    places of strips count from the end of what is returned.
    """
    main: dict[int, Any] = {
        **of_camera.tags,
        DESCRIPTION: description(title).encode(),
        SOFTWARE: title.encode(),
        **({} if of_camera.dpi is None else {RESOLUTION_UNIT: 2}),
        **dict(zip((X_PER_UNIT, Y_PER_UNIT), of_camera.dpi or (), strict=False)),
        **(own or {}),
    }
    taken = {**of_camera.exif, WIDTH: size[0], HEIGHT: size[1]} if of_camera.exif else {}
    inner, place = b"", 8
    for pointer, tags in ((EXIF, taken), (GPS, of_camera.gps)):
        if tags:
            main[pointer] = place + len(inner)
            inner += _directory(tags, place + len(inner))
    place += len(inner)
    return struct.pack("<2sHI", b"II", 42, place) + inner + _directory(main, place)


def _directory(tags: Mapping[int, Any], place: int) -> bytes:
    """A directory of numbers, bytes and a camera's tags, which stands at a place of its file."""
    directory = ImageFileDirectory_v2()
    for number, tag in tags.items():
        if isinstance(tag, Tag):
            directory.tagtype[number] = tag.kind
        directory[number] = tag.value if isinstance(tag, Tag) else tag
    return directory.tobytes(place)
