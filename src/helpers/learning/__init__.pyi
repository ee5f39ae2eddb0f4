from .images import ImageSet as ImageSet
from .networks import build_feature_network as build_feature_network
from .training import load_model as load_model
from .training import train_all as train_all
from .training import train_model as train_model
