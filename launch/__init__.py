"""The launcher: starts, watches and stops every process of one Commonwatt on one machine."""
