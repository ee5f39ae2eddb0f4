"""Maps: from echoes to five parametric maps of core and margin."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
