"""The built-in corpus: drawn faces in the official directory layouts of CK+ and MMI.

Nobody has to ask for a licence or download anything to try the library on it. It stands in for a corpus, not for
people: accuracy on it says that the code works, nothing about faces.
"""

from fer_keras.corpora.synthetic_ck_plus import write_ck_plus
from fer_keras.corpora.synthetic_mmi import write_mmi
from fer_keras.corpora.synthetic_occluded import write_occluded
from fer_keras.corpora.synthetic_sequence import SIZES, VERSION, Frame, Size, draw_sequence

__all__ = ["SIZES", "VERSION", "Frame", "Size", "draw_sequence", "write_ck_plus", "write_mmi", "write_occluded"]
