/* The precisions, and the kernels of all of them for the instruction set that core.c has just described by SET, VB, MR
 * and NARROW. A precision is a row of CORE_PRECISIONS and a block below.
 *
 *     P(name, suffix of its kernels, type of weights, of operands of products, of activations, of moments) */
#define CORE_PRECISIONS(P)                           \
    P(float32, _f32, float, float, float, float)     \
    P(float64, _f64, double, double, double, double) \
    P(bfloat16, _bf16, float, uint16_t, float, float)

#define REAL float
#define DOUBLE 0
#define SQRT __builtin_sqrtf
#define NAME(x) JOIN(JOIN(JOIN(x, _), SET), _f32)
#include "template.h"
#undef REAL
#undef DOUBLE
#undef SQRT
#undef NAME

#ifndef WITHOUT_FLOAT64 /* as where another set's kernels serve */
#define REAL double
#define DOUBLE 1
#define SQRT __builtin_sqrt
#define NAME(x) JOIN(JOIN(JOIN(x, _), SET), _f64)
#include "template.h"
#undef REAL
#undef DOUBLE
#undef SQRT
#undef NAME
#endif
#undef WITHOUT_FLOAT64

#include "bfloat16.h"

/* The tables of this instruction set, one for each precision. */
#define TABLE(name, suffix, weights, products, activations, moments) &JOIN(JOIN(table_, SET), suffix),
static const core_table *const JOIN(tables_, SET)[] = {CORE_PRECISIONS(TABLE)};
#undef TABLE

#undef SET
#undef VB
#undef MR
#undef NARROW
