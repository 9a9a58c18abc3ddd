"""Names that operators gave to telephone numbers. They stay until they are removed."""

from __future__ import annotations

from app.store import keys
from app.store.connected import Connected
from app.store.link import Command


class Names(Connected):
    """One hash: number (digits) -> name. All raise StoreUnavailable."""

    def names(self) -> dict[str, str]:
        """All names."""
        (flat,) = self._reader.fetch([Command(keys.NAMES, ("HGETALL", keys.NAMES))])
        pairs = zip(flat[::2], flat[1::2], strict=True)
        return {number.decode(): name.decode() for number, name in pairs}

    def set_name(self, number: str, name: str) -> None:
        """Give *number* a name, or another one."""
        self._writer.send([Command(keys.NAMES, ("HSET", keys.NAMES, number, name))])

    def remove_name(self, number: str) -> bool:
        """Take its name from *number*. Returns False if it had none."""
        return bool(self._writer.send([Command(keys.NAMES, ("HDEL", keys.NAMES, number))])[0])
