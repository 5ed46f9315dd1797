/* SPDX-License-Identifier: MIT */
/* Vector forms of a scalar function, element by element; OVERLOAD is the including file's. */
#ifndef BRGPU_LIB_ELEMENTWISE_H
#define BRGPU_LIB_ELEMENTWISE_H

#define ELEMENTWISE_1(name, type)                                                                  \
    type##2 OVERLOAD name(type##2 x) {                                                             \
        return (type##2)(name(x.x), name(x.y));                                                    \
    }                                                                                              \
    type##3 OVERLOAD name(type##3 x) {                                                             \
        return (type##3)(name(x.x), name(x.y), name(x.z));                                         \
    }                                                                                              \
    type##4 OVERLOAD name(type##4 x) {                                                             \
        return (type##4)(name(x.lo), name(x.hi));                                                  \
    }                                                                                              \
    type##8 OVERLOAD name(type##8 x) {                                                             \
        return (type##8)(name(x.lo), name(x.hi));                                                  \
    }                                                                                              \
    type##16 OVERLOAD name(type##16 x) {                                                           \
        return (type##16)(name(x.lo), name(x.hi));                                                 \
    }

#define ELEMENTWISE_2(name, type, second)                                                          \
    type##2 OVERLOAD name(type##2 x, second##2 y) {                                                \
        return (type##2)(name(x.x, y.x), name(x.y, y.y));                                          \
    }                                                                                              \
    type##3 OVERLOAD name(type##3 x, second##3 y) {                                                \
        return (type##3)(name(x.x, y.x), name(x.y, y.y), name(x.z, y.z));                          \
    }                                                                                              \
    type##4 OVERLOAD name(type##4 x, second##4 y) {                                                \
        return (type##4)(name(x.lo, y.lo), name(x.hi, y.hi));                                      \
    }                                                                                              \
    type##8 OVERLOAD name(type##8 x, second##8 y) {                                                \
        return (type##8)(name(x.lo, y.lo), name(x.hi, y.hi));                                      \
    }                                                                                              \
    type##16 OVERLOAD name(type##16 x, second##16 y) {                                             \
        return (type##16)(name(x.lo, y.lo), name(x.hi, y.hi));                                     \
    }

#endif
