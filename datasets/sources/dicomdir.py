"""A DICOMDIR: the files it references, as far as they lie beside or below it (PS3.10 8.6)."""

from __future__ import annotations

import os
from pathlib import Path

from oddpixel.errors import UnreadableInput, UnsafePath, UsageError

from ..entry import Entry, open_regular
from ..listing import Listing, file_name
from ..reading import Reader
from ..walking import is_dicomdir


class DicomDir:
    """Lists the files that a DICOMDIR references."""

    stands_alone = False

    def accepts(self, place: str) -> bool:
        """Whether the place is a file named DICOMDIR."""
        return is_dicomdir(Path(place).name) and Path(place).is_file()

    def listing(self, place: str, reader: Reader) -> Listing:
        """List the referenced files; one outside the DICOMDIR's folder is an error row."""
        root = Path(place).resolve().parent
        entries = []
        for parts in self._references(place, reader):
            path = root.joinpath(*parts)
            name = file_name("/".join(parts))
            target = Path(os.path.realpath(path))
            safe = target.is_relative_to(root) and not Path("/".join(parts)).is_absolute()
            error = None if safe else UnsafePath(f"the DICOMDIR references {name[:80]!r}, outside its own folder")
            entries.append(Entry(name=name, path=target if safe else path, error=error))
        return Listing(tuple(entries))

    def _references(self, place: str, reader: Reader) -> list[list[str]]:
        """Parse the DICOMDIR where everything untrusted is parsed: in the reader's decoder."""
        decoder = reader.decoder()
        try:
            with open_regular(Path(place).resolve()) as file:
                return decoder.references(file)
        except UnreadableInput as error:
            raise UsageError(f"{place}: not a readable DICOMDIR: {error}") from error
        finally:
            decoder.close()


LISTER = DicomDir
