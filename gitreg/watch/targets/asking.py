"""One request of HTTP, with a limit for the whole of it: that of urllib is for each read alone."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotDoneError


def answer_to(
    request: urllib.request.Request,
    opener: urllib.request.OpenerDirector,
    seconds: float,
    most: int = 0,
) -> bytes:
    """Return the beginning of the body of an answer.

    Args:
        request: whose URL is one of HTTP.
        opener: decides about redirects and proxies.
        seconds: for the whole answer, however slowly it comes.
        most: bytes of the body that are read.

    Raises:
        TimeoutError: the time is over.
        OSError: there is no answer, or one that is an error; `urllib.error.HTTPError` then.
        http.client.HTTPException: the answer is none of HTTP.
        ValueError: the address cannot be written as HTTP wants it.
    """
    done: Future[bytes] = Future()
    end = time.monotonic() + seconds

    def run() -> None:
        try:
            with opener.open(request, timeout=seconds) as answer:
                read = b""
                while time.monotonic() < end and (part := answer.read1(most - len(read))):
                    read += part
            if time.monotonic() < end:
                done.set_result(read)
        except urllib.error.HTTPError as error:
            error.close()
            done.set_exception(error)
        except BaseException as error:  # noqa: BLE001  raised again in the caller
            done.set_exception(error)

    # Names are looked up and headers read without a limit that could be given.
    threading.Thread(target=run, name="gitreg ask", daemon=True).start()
    try:
        return done.result(seconds)
    except NotDoneError:
        raise TimeoutError(f"no whole answer in {seconds:.0f} s") from None
