"""How strongly training faces are varied."""

import dataclasses

from fer_keras.errors import InputError

_MOST = {"rotation": 180, "scale": 0.99, "gamma": 4, "blur": 0.5}  # others: 1


@dataclasses.dataclass(frozen=True)
class AugmentationStrength:
    """The widest variation of each kind; 0 turns one off.

    Args:
        flip: probability of a mirrored face, 0-1.
        rotation: degrees, either way, 0-180.
        scale: share of the size, either way, from 0 to below 1.
        shift: share of the width and of the height, either way, 0-1.
        brightness: share of white that is added or taken away, 0-1.
        contrast: share by which differences from the picture's mean grow or shrink, 0-1.
        gamma: the exponent of the tone curve is from `1 / (1 + gamma)` to `1 + gamma`, 0-4.
        blur: standard deviation of the blur as a share of the width, 0-0.5.
        noise: standard deviation of the noise as a share of white, 0-1.
        cutout: largest side of the erased block as a share of the size, 0-1.

    Raises:
        InputError: a value is out of its range.
    """

    flip: float = 0.5
    rotation: float = 12.0
    scale: float = 0.10
    shift: float = 0.06
    brightness: float = 0.0
    contrast: float = 0.0
    gamma: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    cutout: float = 0.25

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value, limit = getattr(self, field.name), _MOST.get(field.name, 1)
            if not 0 <= value <= limit:  # false for NaN too
                raise InputError(f"{field.name} must be from 0 to {limit:g}, received {value}")

    def scaled(self, factor):
        """Returns the strengths times a factor ≥ 0, at most the widest allowed; faces are not mirrored more often."""
        fields = {
            field.name: min(getattr(self, field.name) * factor, _MOST.get(field.name, 1))
            for field in dataclasses.fields(self)
        }
        return dataclasses.replace(self, **{**fields, "flip": self.flip * min(factor, 1)})
