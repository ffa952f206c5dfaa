# Which instruction set the kernels use.

def simd_names():
    """Instruction sets compiled into this build, widest first."""
    names = []
    while core_name(len(names)) != NULL:
        names.append((<bytes>core_name(len(names))).decode())
    return tuple(names)


def simd_supported(str name not None):
    """Whether this processor runs the instruction set."""
    return bool(core_supported(name.encode()))


def simd_best():
    """The instruction set that suits this processor best."""
    return (<bytes>core_best()).decode()


def simd_selected():
    """The instruction set in force."""
    return (<bytes>core_selected()).decode()


def products_by(str precision not None):
    """What makes the matrix products of a precision, with the instruction set in force."""
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!a}")
    if core_table_at(list(PRECISIONS).index(precision)).pair > 1:
        return "AMX tiles"
    return "multiplication and addition" if simd_selected() == "baseline" else "fused multiply-add"


def simd_select(str name not None):
    """Put an instruction set in force for every kernel called from now on."""
    if core_select(name.encode()) != 0:
        names = simd_names()
        able = [n for n in names if core_supported(n.encode())]
        why = "this processor does not have it"
        if name not in names:
            from difflib import get_close_matches
            meant = get_close_matches(name.lower().replace("_", "-"), able, 1)
            why = "this build does not know it" + (f" (did you mean {meant[0]!r}?)" if meant else "")
        raise ImportError(
            f"PYCHARRNN_SIMD={name!a} cannot be used: {why}; "
            f"set it to one of {', '.join(able)}, or leave it unset for the best of them"
        )
