"""What a file is, told from its first bytes.

`sniff` fills the `Sniff` port. The answer decides how a stored file may ever be shown, so it is never more active than
the bytes: a picture, sound, film or PDF is only what carries that signature; text that a browser could run is named as
the markup that it is (and so never shown inline); anything else keeps a declared type only if that type is inert.

No regular expressions and no decoders: every step is one pass over the head, at most.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

UNKNOWN = "application/octet-stream"
TEXT = "text/plain"
HTML = "text/html"
SVG = "image/svg+xml"
XML = "application/xml"
PDF = "application/pdf"
ZIP = "application/zip"

RASTER = frozenset(
    {
        "image/jpeg",
        "image/png",
        "image/gif",
        "image/webp",
        "image/avif",
        "image/heic",
        "image/heif",
        "image/tiff",
        "image/bmp",
    }
)
"""Pictures made of pixels."""

SOUND_AND_FILM = frozenset(
    {
        "audio/aac",
        "audio/aiff",
        "audio/amr",
        "audio/flac",
        "audio/midi",
        "audio/mp4",
        "audio/mpeg",
        "audio/ogg",
        "audio/wav",
        "video/3gpp",
        "video/mp2t",
        "video/mp4",
        "video/mpeg",
        "video/ogg",
        "video/quicktime",
        "video/webm",
        "video/x-flv",
        "video/x-matroska",
        "video/x-ms-asf",
        "video/x-msvideo",
    }
)

INLINE = RASTER | SOUND_AND_FILM | {TEXT, PDF}
"""The closed list of what may be shown inside a browser window. `sniff` gives one of these only to fitting bytes."""

_WHOLE_PREFIX: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"II+\0", "image/tiff"),
    (b"MM\0+", "image/tiff"),
    (b"%PDF-", PDF),
    (b"fLaC", "audio/flac"),
    (b"ID3\x02", "audio/mpeg"),
    (b"ID3\x03", "audio/mpeg"),
    (b"ID3\x04", "audio/mpeg"),
    (b"MThd\0\0\0\x06", "audio/midi"),
    (b"#!AMR\n", "audio/amr"),
    (b"#!AMR-WB\n", "audio/amr"),
    (b"FLV\x01", "video/x-flv"),
    (b"\0\0\x01\xba", "video/mpeg"),
    (b"\0\0\x01\xb3", "video/mpeg"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c", "video/x-ms-asf"),
    # Named so that a list reads well; none of these is ever shown inline.
    (b"PK\x05\x06", ZIP),
    (b"\x1f\x8b\x08", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\0", "application/x-xz"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"SQLite format 3\0", "application/vnd.sqlite3"),
    (b"{\\rtf", "application/rtf"),
    (b"wOFF", "font/woff"),
    (b"wOF2", "font/woff2"),
    (b"8BPS\0", "image/vnd.adobe.photoshop"),
    (b"AC10", "image/vnd.dwg"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "image/jxl"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "image/jp2"),
)

_BRANDS: Mapping[bytes, str] = MappingProxyType(
    {
        b"avif": "image/avif",
        b"avis": "image/avif",
        b"heic": "image/heic",
        b"heix": "image/heic",
        b"heim": "image/heic",
        b"heis": "image/heic",
        b"hevc": "image/heic",
        b"hevx": "image/heic",
        b"M4A ": "audio/mp4",
        b"M4B ": "audio/mp4",
        b"qt  ": "video/quicktime",
        b"M4V ": "video/mp4",
        b"M4VH": "video/mp4",
        b"isom": "video/mp4",
        b"iso2": "video/mp4",
        b"iso4": "video/mp4",
        b"iso5": "video/mp4",
        b"iso6": "video/mp4",
        b"mp41": "video/mp4",
        b"mp42": "video/mp4",
        b"avc1": "video/mp4",
        b"dash": "video/mp4",
        b"MSNV": "video/mp4",
        b"3gp4": "video/3gpp",
        b"3gp5": "video/3gpp",
        b"3gp6": "video/3gpp",
        b"3gp7": "video/3gpp",
    }
)
"""Brands of the ISO base media format. A file's own brand goes before those that it says it is compatible with."""

_STILL_CONTAINERS = frozenset({b"mif1", b"msf1", b"miaf"})

_CHUNKED: Mapping[bytes, str] = MappingProxyType(
    {
        b"RIFFWEBP": "image/webp",
        b"RIFFWAVE": "audio/wav",
        b"RIFFAVI ": "video/x-msvideo",
        b"FORMAIFF": "audio/aiff",
        b"FORMAIFC": "audio/aiff",
    }
)
"""The family and the kind of a chunked file; its size stands between them."""

_OOXML = "application/vnd.openxmlformats-officedocument."
_MS = "application/vnd.ms-"

_OFFICE_PARTS: Mapping[bytes, Mapping[str, str]] = MappingProxyType(
    {
        b"word/": MappingProxyType(
            {
                "docx": f"{_OOXML}wordprocessingml.document",
                "dotx": f"{_OOXML}wordprocessingml.template",
                "docm": f"{_MS}word.document.macroenabled.12",
                "dotm": f"{_MS}word.template.macroenabled.12",
            }
        ),
        b"xl/": MappingProxyType(
            {
                "xlsx": f"{_OOXML}spreadsheetml.sheet",
                "xltx": f"{_OOXML}spreadsheetml.template",
                "xlsm": f"{_MS}excel.sheet.macroenabled.12",
                "xltm": f"{_MS}excel.template.macroenabled.12",
                "xlsb": f"{_MS}excel.sheet.binary.macroenabled.12",
            }
        ),
        b"ppt/": MappingProxyType(
            {
                "pptx": f"{_OOXML}presentationml.presentation",
                "potx": f"{_OOXML}presentationml.template",
                "ppsx": f"{_OOXML}presentationml.slideshow",
                "pptm": f"{_MS}powerpoint.presentation.macroenabled.12",
                "ppsm": f"{_MS}powerpoint.slideshow.macroenabled.12",
            }
        ),
    }
)
"""A folder inside an Office package -> extension -> type. The first extension stands for an unknown one."""

_OFFICE_NAMES: Mapping[str, str] = MappingProxyType(
    {extension: kind for kinds in _OFFICE_PARTS.values() for extension, kind in kinds.items()}
)

_STATED_TYPES = frozenset(
    {
        b"application/epub+zip",
        b"application/vnd.oasis.opendocument.text",
        b"application/vnd.oasis.opendocument.text-template",
        b"application/vnd.oasis.opendocument.spreadsheet",
        b"application/vnd.oasis.opendocument.spreadsheet-template",
        b"application/vnd.oasis.opendocument.presentation",
        b"application/vnd.oasis.opendocument.presentation-template",
        b"application/vnd.oasis.opendocument.graphics",
        b"application/vnd.oasis.opendocument.formula",
    }
)
"""What the entry `mimetype` of an OpenDocument or EPUB package may say."""

_OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_UNNAMED = "application/x-ole-storage"
_OLE: Mapping[str, str] = MappingProxyType(
    {
        "doc": "application/msword",
        "dot": "application/msword",
        "xls": f"{_MS}excel",
        "xlt": f"{_MS}excel",
        "ppt": f"{_MS}powerpoint",
        "pps": f"{_MS}powerpoint",
        "msg": f"{_MS}outlook",
        "mpp": f"{_MS}project",
        "pub": f"{_MS}publisher",
        "vsd": "application/vnd.visio",
        "msi": "application/x-msi",
    }
)

_TEXT_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "csv": "text/csv",
        "tsv": "text/tab-separated-values",
        "md": "text/markdown",
        "markdown": "text/markdown",
        "ics": "text/calendar",
        "vcf": "text/vcard",
        "json": "application/json",
        "geojson": "application/geo+json",
        "jsonl": "application/jsonl",
        "ndjson": "application/x-ndjson",
        "yaml": "application/yaml",
        "yml": "application/yaml",
        "toml": "application/toml",
        "txt": TEXT,
        "text": TEXT,
        "log": TEXT,
        "ini": TEXT,
        "conf": TEXT,
    }
)
"""Extensions of text that no browser runs."""

_TEXT_TYPES = frozenset(_TEXT_NAMES.values())

_SIGNED = (
    INLINE - {TEXT}
    | {kind for _, kind in _WHOLE_PREFIX}
    | {kind for family in _OFFICE_PARTS.values() for kind in family.values()}
    | {kind.decode() for kind in _STATED_TYPES}
    | set(_OLE.values())
    | {"application/x-zip-compressed", "application/java-archive", "application/vnd.android.package-archive"}
)
"""Types that are told from the bytes alone: declaring one without its signature counts for nothing."""

_VAGUE = frozenset({UNKNOWN, "application/x-download", "application/force-download", "application/unknown"})

_ACTIVE = """
html xhtml dhtml hta htc component xml xsl xslt svg mathml xul rdf rss atom css wasm
javascript ecmascript jscript livescript vbscript javascript1 script
php php3 php4 php5 perl python ruby sh csh shellscript bat cgi asp aspx jsp httpd
flash futuresplash silverlight java applet jnlp xpinstall extension manifest aspen webbundle exchange bundle
mimearchive mhtml related mixed replace event webview ca cert
"""
_ACTIVE_WORDS = frozenset(_ACTIVE.split())
"""A declared type with one of these among the words of its subtype is not inert: some program runs it, installs it or
treats it as a page."""

_INERT_FAMILIES = frozenset({"application", "text", "font", "model", "chemical"})
"""Pictures, sound and film are told from the bytes; `multipart` and `message` can be pages in disguise."""

_TOKEN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789!#$&-^_.+")
_MAX_TYPE = 127
"""RFC 6838 section 4.2 allows 127 characters for each half; no registered type comes near it even as a whole."""

_BLANKS = bytes(range(0x21))
_BEFORE_MARKUP = _BLANKS + b"\xef\xbb\xbf\xff\xfe"
_BINARY = bytes(set(range(0x20)) - set(b"\t\n\x0b\x0c\r\x1b")) + b"\x7f"
"""Bytes that text does not hold. Escape is left out: terminal logs have it."""

_MAX_DECLARATIONS = 16
"""Comments and declarations walked over; a page that hides its root behind more is named by the first of them."""

_NAME_END = frozenset(b" \t\n\x0c\r/>")
_ROOTS = b"""
a abbr address area article aside audio b base basefont bdi bdo bgsound big blink blockquote body br button canvas
caption center cite code col colgroup data datalist dd del details dfn dialog dir div dl dt em embed fieldset
figcaption figure font footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html i iframe img input
ins isindex kbd keygen label layer legend li link listing main map mark marquee math menu meta meter nav nobr
noembed noframes noscript object ol optgroup option output p param picture plaintext pre progress q rp rt ruby s
samp script search section select slot small source span strike strong style sub summary sup table tbody td template
textarea tfoot th thead time title tr track tt u ul var video wbr xmp
"""
_HTML_ROOTS = frozenset(_ROOTS.split())
"""Elements that an HTML parser knows, old ones too."""

_LOCAL_HEADER = b"PK\x03\x04"
_MAX_ENTRIES = 8
"""Entries of a ZIP looked at: an Office package names its kind among its first four."""


def _prefixes_by_first_byte() -> Mapping[int, tuple[tuple[bytes, str], ...]]:
    table: dict[int, tuple[tuple[bytes, str], ...]] = {}
    for prefix, kind in _WHOLE_PREFIX:
        table[prefix[0]] = (*table.get(prefix[0], ()), (prefix, kind))
    return MappingProxyType(table)


_PREFIXES = _prefixes_by_first_byte()


def sniff(head: bytes, name: str, declared: str | None) -> str:
    """The media type to store and serve, lower case, without parameters.

    `head` is the first 4 KiB of the content, or all of it when it is shorter. The name and the declared type (with or
    without parameters) only choose among types that the bytes allow. Never raises.
    """
    extension = name.rpartition(".")[2].lower() if "." in name else ""
    claim = _inert_claim(declared)
    if head.startswith(_LOCAL_HEADER):
        return _zip(head, extension, claim)
    if head.startswith(_OLE_MAGIC):
        return _OLE.get(extension, _OLE_UNNAMED)
    told = _signature(head) or _markup(head)
    if told is not None:
        return told
    hint = claim or _TEXT_NAMES.get(extension)
    if not head:
        return hint or UNKNOWN
    if _is_text(head, legacy=_says_text(hint)):
        return hint or TEXT
    return UNKNOWN if claim is None or _says_text(claim) else claim


def _says_text(kind: str | None) -> bool:
    return kind is not None and (kind.startswith("text/") or kind in _TEXT_TYPES)


def _signature(head: bytes) -> str | None:
    """The type of a head that carries a signature of the closed table."""
    if len(head) < 4:
        return None
    for prefix, kind in _PREFIXES.get(head[0], ()):
        if head.startswith(prefix):
            return kind
    container = _CONTAINERS.get(head[4:8] if head[4:8] == b"ftyp" else head[:4])
    return _bare_stream(head) if container is None else container(head)


def _bare_stream(head: bytes) -> str | None:
    """The types whose first bytes say too little: more of their structure must fit."""
    if head.startswith(b"BM"):
        return "image/bmp" if _is_bmp(head) else None
    if head[0] == 0xFF:
        return _mpeg_audio(head)
    packets = head[0] == 0x47 and len(head) > 376 and head[188] == head[376] == 0x47
    return "video/mp2t" if packets else None


def _chunked(head: bytes) -> str | None:
    return _CHUNKED.get(head[:4] + head[8:12])


def _iso_media(head: bytes) -> str | None:
    size = int.from_bytes(head[:4], "big")
    if not 16 <= size <= 512 or size % 4:  # a real `ftyp` box is a few dozen bytes: brands of four each
        return None
    own, others = head[8:12], [head[at : at + 4] for at in range(16, min(size, len(head)), 4)]
    kind = _BRANDS.get(own)
    if kind is not None:
        return kind
    for brand in others:
        kind = _BRANDS.get(brand)
        if kind is not None and (own not in _STILL_CONTAINERS or kind.startswith("image/")):
            return kind
    return "image/heif" if own in _STILL_CONTAINERS else None


def _ogg(head: bytes) -> str:
    start = 27 + head[26] if len(head) > 26 else 0
    packet = head[start : start + 8]
    if packet.startswith((b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex   ")):
        return "audio/ogg"
    return "video/ogg" if packet.startswith(b"\x80theora") else "application/ogg"


def _matroska(head: bytes) -> str | None:
    start = head.find(b"\x42\x82", 4, 64)  # the DocType element lies in the EBML header, which is under 64 bytes
    kind = head[start + 3 : start + 11] if start > 0 else b""
    if kind.startswith(b"webm"):
        return "video/webm"
    return "video/x-matroska" if kind == b"matroska" else None


_CONTAINERS: Mapping[bytes, Callable[[bytes], str | None]] = MappingProxyType(
    {b"RIFF": _chunked, b"FORM": _chunked, b"OggS": _ogg, b"\x1aE\xdf\xa3": _matroska, b"ftyp": _iso_media}
)


def _is_bmp(head: bytes) -> bool:
    """`BM` alone begins many a text, so the fixed fields of the header must fit too."""
    pixels, header = int.from_bytes(head[10:14], "little"), int.from_bytes(head[14:18], "little")
    return head[6:10] == b"\0\0\0\0" and header in (12, 40, 52, 56, 64, 108, 124) and 26 <= pixels < 1 << 16


def _mpeg_audio(head: bytes) -> str | None:
    """Sound without a container has only a sync word of 11 bits, so a second frame must follow where the first ends."""
    if head[1] & 0xF6 == 0xF0:
        length, kind = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5 if len(head) > 5 else 0, "audio/aac"
    else:
        length, kind = _mp3_frame(head), "audio/mpeg"
    if length < 7 or len(head) < length + 2 or head[length] != 0xFF or (head[length + 1] ^ head[1]) & 0xFE:
        return None
    return kind


def _mp3_frame(head: bytes) -> int:
    """Length in bytes of an MPEG layer III frame, 0 if this is none."""
    version, layer, rate, sampling = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    if head[1] & 0xE0 != 0xE0 or version == 1 or layer != 1 or not 1 <= rate <= 14 or sampling == 3:
        return 0
    full = version == 3
    kilobits = (
        (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
        if full
        else (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
    )[rate - 1]
    hertz = (44100, 48000, 32000)[sampling] >> {3: 0, 2: 1, 0: 2}[version]
    return (144 if full else 72) * kilobits * 1000 // hertz + (head[2] >> 1 & 1)


def _zip(head: bytes, extension: str, claim: str | None) -> str:
    """The type of a ZIP by its first entries; a package that hides its kind behind them stays a plain ZIP."""
    at = 0
    for index in range(_MAX_ENTRIES):
        end = at + 30 + int.from_bytes(head[at + 26 : at + 28], "little")
        entry = head[at + 30 : end]
        if index == 0 and entry == b"mimetype":
            return _stated_type(head, end)
        kind = _package(entry, extension)
        if kind is not None:
            return kind
        at = head.find(_LOCAL_HEADER, end)
        if at < 0:
            break
    # The table of contents comes first in an Office package, and may fill the head.
    if head[30:49] == b"[Content_Types].xml" and extension in _OFFICE_NAMES:
        return _OFFICE_NAMES[extension]
    return claim if claim is not None and claim.endswith("+zip") else ZIP


def _package(entry: bytes, extension: str) -> str | None:
    """The kind of package that has an entry of this name."""
    for folder, kinds in _OFFICE_PARTS.items():
        if entry.startswith(folder):
            return kinds.get(extension, next(iter(kinds.values())))
    if entry.startswith(b"META-INF/"):
        return "application/java-archive"
    return "application/vnd.android.package-archive" if entry == b"AndroidManifest.xml" else None


def _stated_type(head: bytes, end: int) -> str:
    start = end + int.from_bytes(head[28:30], "little")
    stated = head[start : start + int.from_bytes(head[18:22], "little")]
    return stated.decode("ascii") if stated in _STATED_TYPES else ZIP


def _markup(head: bytes) -> str | None:
    """The type of a head that a browser could take for a page, whatever its encoding; None if it is no markup.

    NUL bytes are dropped, so that UTF-16 and UTF-32 read as ASCII with or without a byte order mark.
    """
    if not head.lstrip(_BEFORE_MARKUP).startswith(b"<"):
        return None
    page = head.translate(None, b"\0") if b"\0" in head else head
    if page[:1] in (b"\xef", b"\xff", b"\xfe"):
        page = page.removeprefix(b"\xef\xbb\xbf").removeprefix(b"\xff\xfe").removeprefix(b"\xfe\xff")
    if page[:1] != b"<":
        page = page.lstrip(_BLANKS)
        if page[:1] != b"<":
            return None
    return _page_type(page.lower())


def _page_type(page: bytes) -> str | None:
    """Walk over declarations and comments to the first element of lower-case `page`, which begins with `<`."""
    seen: str | None = None
    at = 0
    for _ in range(_MAX_DECLARATIONS):
        if page[at : at + 1] != b"<":
            return seen
        mark = page[at + 1 : at + 2]
        if mark.isalpha():
            return _element_type(page, at + 1, seen)
        if mark == b"?":
            seen, close = seen or (XML if page.startswith(b"<?xml", at) else HTML), b">"
        elif page.startswith(b"<!doctype", at):
            return _doctype(page[at + 9 : at + 64])
        elif mark in (b"!", b"/"):
            seen, close = seen or HTML, b"-->" if page.startswith(b"<!--", at) else b">"
        else:
            return seen
        end = page.find(close, at + 2)
        if end < 0:
            return seen
        at = end + len(close)
        while page[at : at + 1].isspace():
            at += 1
    return seen


def _doctype(rest: bytes) -> str:
    name = rest.lstrip(_BLANKS)
    if name.startswith(b"svg"):
        return SVG
    return HTML if name.startswith((b"html", b">")) or not name else XML


def _element_type(page: bytes, start: int, seen: str | None) -> str:
    end = start
    while end < len(page) and page[end] not in _NAME_END:
        end += 1
    local = page[start:end].rpartition(b":")[2]
    if local == b"svg":
        return SVG
    if local in _HTML_ROOTS and (seen != XML or local == b"html"):
        return HTML
    return XML if local.replace(b"-", b"").replace(b"_", b"").replace(b".", b"").isalnum() else HTML


def _is_text(head: bytes, *, legacy: bool) -> bool:
    """Whether the head is clean text: UTF-8, or UTF-16 and UTF-32 with their mark, or `legacy`: any one-byte text."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")):
        return _is_wide_text(head)
    # What is no text mostly shows at once.
    if _holds_binary(head[:256]) or _holds_binary(head):
        return False
    if legacy or head.isascii():
        return True
    try:
        head.decode()
    except UnicodeDecodeError as error:
        # The head may end inside a character, which is at most four bytes long.
        return error.reason == "unexpected end of data" and len(head) - error.start < 4 and error.start > 0
    return True


def _holds_binary(head: bytes) -> bool:
    return len(head.translate(None, _BINARY)) != len(head)


def _is_wide_text(head: bytes) -> bool:
    codec = "utf-32" if head.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")) else "utf-16"
    width = 4 if codec == "utf-32" else 2
    try:
        text = head[: len(head) // width * width].decode(codec)
    except UnicodeDecodeError as error:
        # Half of a surrogate pair may stand at the cut.
        return error.reason == "unexpected end of data" and error.start >= len(head) - 4
    narrow = text.encode("utf-8")
    return bool(text) and not _holds_binary(narrow)


def _inert_claim(declared: str | None) -> str | None:
    """The declared type without parameters if it is exact, says something, and no program acts on it."""
    if declared is None:
        return None
    claim = declared.partition(";")[0].strip(" \t").lower()
    family, slash, subtype = claim.partition("/")
    if not slash or not subtype or len(claim) > _MAX_TYPE or family not in _INERT_FAMILIES:
        return None
    if not _TOKEN.issuperset(subtype) or claim in _VAGUE or claim in _SIGNED:
        return None
    words = subtype.replace("+", " ").replace("-", " ").replace(".", " ").replace("_", " ").split()
    return None if not words or _ACTIVE_WORDS.intersection(words) else claim
