"""The workspace that ``trunkline demo`` runs."""
