from .phantom import ReferencePhantom as ReferencePhantom
from .phantom import bead_backscatter as bead_backscatter
from .rf import RFPlane as RFPlane
from .rf import b_mode_db as b_mode_db
from .rf import read_rf as read_rf
from .rf import write_rf as write_rf
