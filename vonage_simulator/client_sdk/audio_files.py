"""The audio files that `stream` actions name, where they are WAV files of a server on this machine."""

from __future__ import annotations

import asyncio
from array import array
from urllib.parse import urlsplit

import aiohttp

from vonage_simulator.client_sdk.tones import decode

LARGEST = 4 * 1024 * 1024  # bytes
PATIENCE = 5.0  # seconds
MOST = 20  # files that are kept
HERE = ("127.0.0.1", "localhost", "::1")  # the simulator uses no internet


class AudioFiles:
    def __init__(self) -> None:
        self._sounds: dict[str, array[int] | None] = {}  # None: it is fetched now, or there is none
        self._tasks: set[asyncio.Task[None]] = set()

    def get(self, url: str) -> array[int] | None:
        """The sound at *url*; None if there is none, or none yet."""
        if url not in self._sounds:
            if len(self._sounds) >= MOST:
                self._sounds.clear()
            self._sounds[url] = None
            if urlsplit(url).hostname in HERE:
                task = asyncio.create_task(self._fetch(url))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        return self._sounds[url]

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _fetch(self, url: str) -> None:
        try:
            timeout = aiohttp.ClientTimeout(PATIENCE)
            # The certificate of a server on this machine is mostly its own; a tune is no secret.
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, ssl=False) as response:
                content = await response.content.read(LARGEST)
                while not response.content.at_eof() and len(content) < LARGEST:
                    content += await response.content.read(LARGEST)
            sound = await asyncio.to_thread(decode, content)
        except (aiohttp.ClientError, TimeoutError, ValueError):  # then there is silence
            return
        self._sounds[url] = sound if len(sound) else None
