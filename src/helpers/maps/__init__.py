"""Maps: from echoes to five parametric maps, and how sure they are."""
