"""What can go wrong, as one tree. Every message names the thing, the value and the way out.

OddPixelError
├── UsageError                  the request makes no sense as it stands (exit 2)
├── UnreadableInput             an image could not be had (a row with its error; exit 3 if nothing was readable)
│   ├── MissingFile             no such file
│   │   └── NotPermitted        it is there, and may not be read
│   ├── UnsupportedFormat       content of no known image format, or a file name that lies about it
│   ├── UnsupportedEncoding     a known container whose pixels need a codec that is not installed
│   ├── CorruptFile             truncated or malformed
│   ├── NoPixels                a well-formed file without an image in it
│   ├── NoImages                places where no file is an image
│   ├── Contradiction           one file listed twice, with different groups or labels
│   ├── MissingGroup            an image without what groups were to come from
│   ├── TooLarge                over a cap on pixels, bytes or frames, found before decoding
│   ├── UnsafePath              a link, an archive member or a reference that leads out of the given tree
│   └── DecodingStopped         the decoder ran out of time or memory, or died
├── InvalidImage                pixels that a model cannot take (channels, size, NaN)
├── ModelError                  weights that cannot be used
│   ├── MissingWeights
│   ├── UnsafeWeights           a pickle that holds more than tensors
│   ├── CorruptWeights          truncated or malformed
│   └── WrongArchitecture       names or shapes that do not fit
├── NotEnoughMemory             work that would not fit, refused before it starts
├── CalibrationTooSmall         a guarantee that so few normals cannot give
├── RunError                    a run folder that cannot be written or read
│   ├── Unfinished              a run whose other ranks have work left
│   └── StorageFull             no room, or no permission to write anything more: nothing can be kept, not even an error row
├── DuplicateName               two variants of one family (checks, formats, commands, ...) under one name
├── NotExported                 a row that this form of export cannot hold; its message goes on after the name of the item
├── NotDeidentified             a file that could not be freed of what names somebody; nothing of it was written
├── PeerError                   another DICOM node that could not be reached, or refused what it was asked for
├── NotPlotted                  a run that has not what a plot shows
└── Defect                      a failure that nobody foresaw, in OddPixel or in a library; its message names the exception
"""

from __future__ import annotations


class OddPixelError(Exception):
    """Base of every error that OddPixel raises on purpose."""


class UsageError(OddPixelError):
    """The request makes no sense as it stands."""


class UnreadableInput(OddPixelError):
    """An image could not be had from this input."""


class MissingFile(UnreadableInput):
    """No such file."""


class NotPermitted(MissingFile):
    """The file is there, but whoever runs this may not read it."""


class UnsupportedFormat(UnreadableInput):
    """The content is of no known image format, or the file name lies about it."""


class UnsupportedEncoding(UnreadableInput):
    """The container is known, but its pixels need a codec that is not installed."""


class CorruptFile(UnreadableInput):
    """The file is truncated or malformed."""


class NoPixels(UnreadableInput):
    """The file is well-formed but holds no image."""


class NoImages(UnreadableInput):
    """No file at the given places is an image."""


class Contradiction(UnreadableInput):
    """One file is listed twice, with different groups, labels, masks or roles."""


class MissingGroup(UnreadableInput):
    """Groups were to come from something that this image does not have."""


class TooLarge(UnreadableInput):
    """Over a cap on pixels, bytes or frames; found from the header, before decoding."""


class UnsafePath(UnreadableInput):
    """A link, an archive member or a reference leads out of the given tree."""


class DecodingStopped(UnreadableInput):
    """The decoder ran out of time or memory, or died."""


class InvalidImage(OddPixelError):
    """The pixels cannot be given to this model (channels, size, NaN)."""


class ModelError(OddPixelError):
    """A model or its weights cannot be used."""


class MissingWeights(ModelError):
    """No weights where they were looked for."""


class UnsafeWeights(ModelError):
    """A pickle that holds more than tensors: it could run code, so it is not loaded."""


class CorruptWeights(ModelError):
    """The weight file is truncated or malformed."""


class WrongArchitecture(ModelError):
    """The names or shapes of the weights do not fit the model."""


class NotEnoughMemory(OddPixelError):
    """The work would need more memory than there is; found before it starts."""


class CalibrationTooSmall(OddPixelError):
    """So few normals cannot give the guarantee that was asked for."""


class RunError(OddPixelError):
    """A run folder cannot be written or read."""


class Unfinished(RunError):
    """Other ranks have shards of this run to finish; the last one decides."""


class StorageFull(RunError):
    """The disk or the quota is full, or the file system is read-only: no row can be kept, so the batch ends."""


class DuplicateName(OddPixelError):
    """Two variants of one family have the same name."""


class NotExported(OddPixelError):
    """A row that this form of export cannot hold."""


class NotDeidentified(OddPixelError):
    """A file that could not be freed of what names somebody; nothing of it was written."""


class PeerError(OddPixelError):
    """Another DICOM node could not be reached, or refused what it was asked for."""


class NotPlotted(OddPixelError):
    """A run that has not what a plot shows."""


class Defect(OddPixelError):
    """A failure that nobody foresaw, in OddPixel or in a library."""


def describe(error: BaseException) -> dict[str, str]:
    """The error as `{type, message}`, which JSON and a run's `error` column hold."""
    return {"type": type(error).__name__, "message": str(error)}


def by_name(kind: str) -> type[OddPixelError]:
    """The error class of that name; `UnreadableInput` for a name that is not in the tree."""
    error_class = globals().get(kind)
    return error_class if isinstance(error_class, type) and issubclass(error_class, OddPixelError) else UnreadableInput
