/* Both precisions of the instruction set that core.c has just described by SET, VB, MR and NARROW. */
#define REAL float
#define DOUBLE 0
#define SQRT __builtin_sqrtf
#define NAME(x) JOIN(JOIN(JOIN(x, _), SET), _f32)
#include "kernels.h"
#undef REAL
#undef DOUBLE
#undef SQRT
#undef NAME

#define REAL double
#define DOUBLE 1
#define SQRT __builtin_sqrt
#define NAME(x) JOIN(JOIN(JOIN(x, _), SET), _f64)
#include "kernels.h"
#undef REAL
#undef DOUBLE
#undef SQRT
#undef NAME

#undef SET
#undef VB
#undef MR
#undef NARROW
