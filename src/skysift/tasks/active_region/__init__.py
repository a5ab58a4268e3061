"""The task active-region: regions on the solar disk, and whether a patch shows one."""
