"""HTTP/1.1 on asyncio: from a listening socket to an ASGI application, in as many processes as are wished for."""
