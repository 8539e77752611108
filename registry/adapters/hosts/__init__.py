"""Where releases go: a plain folder, or a host's directory that keeps several and shows one."""
