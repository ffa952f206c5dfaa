/* Compiles kernels.h for every instruction set and precision, and chooses one of them at import. */
#include "core.h"
#include <string.h>

#if !defined(__clang__) && (!defined(__GNUC__) || __GNUC__ < 12)
#error "pycharrnn's kernels use vector extensions: build them with GCC 12 or later or with Clang"
#endif

#define ALWAYS inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
static idx core_l1d = 32768; /* bytes of the first-level data cache */

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

#if defined(__x86_64__)
#define SET baseline
#define VB 16
#define MR 6
#define NARROW 8
#define WIDE 8
#include "precisions.h"

#define SET v3
#define VB 32
#define MR 6
#define NARROW 8
#define WIDE 8
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,bmi,bmi2,lzcnt,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,bmi,bmi2,lzcnt,f16c")
#endif
#include "precisions.h"
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#define SET v4
#define VB 32
#define MR 13
#define NARROW 8
#define WIDE 8
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,bmi,bmi2,lzcnt,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,bmi,bmi2,lzcnt,f16c")
#endif
#include "precisions.h"
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#elif defined(__aarch64__)
#define SET neon
#define VB 16
#define MR 10
#define NARROW 8
#define WIDE 8
#include "precisions.h"
#else
#define SET baseline
#define VB 16
#define MR 6
#define NARROW 8
#define WIDE 8
#include "precisions.h"
#endif

#if defined(__x86_64__)
#include <cpuid.h>

/* What the processor and the operating system together allow: 0 baseline, 1 x86-64-v3, 2 x86-64-v4. */
static int level(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
    const unsigned fma_movbe_osxsave_avx_f16c = 1u << 12 | 1u << 22 | 1u << 27 | 1u << 28 | 1u << 29;
    if ((c & fma_movbe_osxsave_avx_f16c) != fma_movbe_osxsave_avx_f16c) return 0;
    unsigned enabled, high;
    __asm__("xgetbv" : "=a"(enabled), "=d"(high) : "c"(0));
    if ((enabled & 6) != 6 || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    const unsigned bmi_avx2_bmi2 = 1u << 3 | 1u << 5 | 1u << 8;
    if ((b & bmi_avx2_bmi2) != bmi_avx2_bmi2) return 0;
    const unsigned avx512_f_dq_cd_bw_vl = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31;
    if ((b & avx512_f_dq_cd_bw_vl) == avx512_f_dq_cd_bw_vl && (enabled & 0xE6) == 0xE6) b = 2;
    else b = 1;
    return __get_cpuid(0x80000001u, &a, &d, &c, &enabled) && (c & 1u << 5) ? (int)b : 0; /* lzcnt */
}

static void measure_l1d(void) {
    const unsigned leaves[] = {4, 0x8000001Du}; /* Intel's, then AMD's: the same layout */
    for (int l = 0; l < 2; l++)
        for (unsigned i = 0, a, b, c, d; i < 8 && __get_cpuid_count(leaves[l], i, &a, &b, &c, &d) && (a & 31); i++)
            if ((a & 31) == 1 && (a >> 5 & 7) == 1) {
                core_l1d = (idx)((b >> 22) + 1) * ((b >> 12 & 1023) + 1) * ((b & 4095) + 1) * ((idx)c + 1);
                return;
            }
}
#endif

static const struct {
    const char *name;
    int level;
    const core_table *f32, *f64;
} sets[] = {
#if defined(__x86_64__)
    {"x86-64-v4", 2, &table_v4_f32, &table_v4_f64},
    {"x86-64-v3", 1, &table_v3_f32, &table_v3_f64},
    {"baseline", 0, &table_baseline_f32, &table_baseline_f64},
#elif defined(__aarch64__)
    {"neon", 0, &table_neon_f32, &table_neon_f64},
#else
    {"baseline", 0, &table_baseline_f32, &table_baseline_f64},
#endif
};
enum { COUNT = sizeof sets / sizeof *sets };
static int chosen = COUNT - 1;
const char *const core_names[] = {
#if defined(__x86_64__)
    "x86-64-v4", "x86-64-v3", "baseline",
#elif defined(__aarch64__)
    "neon",
#else
    "baseline",
#endif
    NULL};

static int find(const char *name) {
    for (int i = 0; i < COUNT; i++)
        if (!strcmp(sets[i].name, name)) return i;
    return -1;
}

int core_supported(const char *name) {
    int i = find(name);
#if defined(__x86_64__)
    return i >= 0 && sets[i].level <= level();
#else
    return i >= 0;
#endif
}

int core_select(const char *name) {
    if (!core_supported(name)) return -1;
#if defined(__x86_64__)
    measure_l1d();
#endif
    chosen = find(name);
    return 0;
}

const char *core_selected(void) { return sets[chosen].name; }

const core_table *core_get(idx itemsize) { return itemsize == 4 ? sets[chosen].f32 : sets[chosen].f64; }
