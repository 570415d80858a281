"""The YAML file of a workspace: its settings as structs, checked across, compared, and compiled into rules."""
