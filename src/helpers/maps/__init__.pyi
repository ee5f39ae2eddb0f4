from .parametric import ParametricMaps as ParametricMaps
from .parametric import parametric_maps as parametric_maps
