/* All primitives of core.h for one instruction set and one precision. precisions.h includes this file once for each:
 *
 *     REAL  float or double      DOUBLE  0 or 1          NAME(x)  x with a suffix of its own
 *     VB    bytes in a vector    MR      rows of a tile  NARROW   vectors of a product with one row at a time
 */
#define VL ((idx)(VB / sizeof(REAL)))
#define vec NAME(vec)
typedef REAL vec __attribute__((vector_size(VB)));

static ALWAYS vec NAME(load)(const REAL *p) {
    vec v;
    __builtin_memcpy(&v, p, VB);
    return v;
}
static ALWAYS void NAME(store)(REAL *p, vec v) { __builtin_memcpy(p, &v, VB); }

#include "products.h"
#include "functions.h"
#include "cells.h"
#include "softmax.h"
#if DOUBLE
#include "drawing.h"
#endif
#include "steps.h"

/* Each entry has the name of its function, from the list that also makes the fields: no two can be swapped, and none
 * can be left out. */
#define ENTRY(result, name, parameters) .name = NAME(name),
static const core_table NAME(table) = {.width = VL,
                                       .panel = 2 * VL,
                                       .row = 2 * VL,
                                       .pair = 1,
                                       .rows = MR,
                                       .cells = NAME(cells),
                                       .rules = NAME(rules),
                                       CORE_PRODUCTS(ENTRY) CORE_FUNCTIONS(ENTRY)};
#undef ENTRY

#undef VL
#undef vec
#undef FOLD
