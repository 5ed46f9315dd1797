// SPDX-License-Identifier: MIT
//
// The accuracy of the mathematical functions in units in the last place, against the host's long
// double, over values of every magnitude. The bounds are those of OpenCL's full profile.
#include "card.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <tuple>

#include <gtest/gtest.h>

namespace brgpu::cc::test {
namespace {

using Real = long double;

struct Function {
    const char *name;
    std::function<Real(Real, Real)> exact;
    double float_ulp;
    double double_ulp;
    double low, high; // of the arguments; low == high: every magnitude
    int operands = 1;
    bool whole_second = false; // the second operand is rounded to an integer
};

// Distance in units of the last place of T at the exact value.
template <class T>
double ulp_error(T got, Real exact) {
    constexpr int digits = std::numeric_limits<T>::digits;
    constexpr int least = std::numeric_limits<T>::min_exponent - digits;
    const T rounded = static_cast<T>(exact);
    if (std::isnan(exact) || std::isnan(got))
        return std::isnan(exact) && std::isnan(got) ? 0 : 1e9;
    if (std::isinf(rounded) || std::isinf(got))
        return rounded == got || (std::isinf(got) &&
                                  std::fabs(exact) >=
                                      std::ldexp(Real{1}, std::numeric_limits<T>::max_exponent) *
                                          (1 - std::ldexp(Real{1}, -digits + 3)))
                   ? 0
                   : 1e9;
    const int exponent = exact == 0 ? least : std::max(std::ilogb(exact) - digits + 1, least);
    return static_cast<double>(std::fabs(static_cast<Real>(got) - exact) /
                               std::ldexp(Real{1}, exponent));
}

template <class T>
std::vector<T> arguments(double low, double high, unsigned seed) {
    std::mt19937_64 random(seed);
    std::vector<T> values;
    for (const double special : {0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, 3.0, 10.0})
        if (low == high || (special >= low && special <= high))
            values.push_back(static_cast<T>(special));
    if (low == high)
        for (const T special :
             {std::numeric_limits<T>::infinity(), -std::numeric_limits<T>::infinity(),
              std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::max(),
              std::numeric_limits<T>::min(), std::numeric_limits<T>::denorm_min()})
            values.push_back(special);
    while (values.size() < 1024) {
        if (low == high) {
            const T value = std::bit_cast<T>(
                static_cast<std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>>(random()));
            if (!std::isnan(value))
                values.push_back(value);
        } else {
            values.push_back(
                static_cast<T>(std::uniform_real_distribution<double>(low, high)(random)));
        }
    }
    return values;
}

// sin(pi * r) for |r| <= 1.5, exactly zero where it is.
Real sin_pi(Real pi, Real r) {
    if (std::fabs(r) > Real{0.5})
        r = std::copysign(Real{1}, r) - r;
    return std::sin(pi * r);
}

std::vector<Function> functions() {
    const auto unary = [](Real (*f)(Real)) { return [f](Real x, Real) { return f(x); }; };
    const Real pi = 3.14159265358979323846264338327950288L;
    return {
        {"sin", unary(std::sin), 4, 4, -100, 100},
        {"cos", unary(std::cos), 4, 4, -100, 100},
        {"tan", unary(std::tan), 5, 5, -100, 100},
        {"sin", unary(std::sin), 4, 4, -1e6, 1e6},
        {"asin", unary(std::asin), 4, 4, -1, 1},
        {"acos", unary(std::acos), 4, 4, -1, 1},
        {"atan", unary(std::atan), 5, 5, 0, 0},
        {"sinh", unary(std::sinh), 4, 4, -20, 20},
        {"cosh", unary(std::cosh), 4, 4, -20, 20},
        {"tanh", unary(std::tanh), 5, 5, -20, 20},
        {"asinh", unary(std::asinh), 4, 4, 0, 0},
        {"acosh", unary(std::acosh), 4, 4, 1, 1e5},
        {"atanh", unary(std::atanh), 5, 5, -1, 1},
        {"exp", unary(std::exp), 3, 3, -110, 100},
        {"exp2", unary(std::exp2), 3, 3, -160, 140},
        {"exp10", [](Real x, Real) { return std::pow(Real{10}, x); }, 3, 3, -45, 40},
        {"expm1", unary(std::expm1), 3, 3, -10, 50},
        {"log", unary(std::log), 3, 3, 0, 0},
        {"log2", unary(std::log2), 3, 3, 0, 0},
        {"log10", unary(std::log10), 3, 3, 0, 0},
        {"log1p", unary(std::log1p), 2, 2, -1, 1e6},
        {"sqrt", unary(std::sqrt), 0.5, 0.5, 0, 0},
        {"rsqrt", [](Real x, Real) { return 1 / std::sqrt(x); }, 2, 2, 0, 0},
        {"cbrt", unary(std::cbrt), 2, 2, 0, 0},
        {"erf", unary(std::erf), 16, 16, -5, 5},
        {"erfc", unary(std::erfc), 16, 16, -3, 9},
        {"tgamma", unary(std::tgamma), 16, 16, 0.1, 30},
        {"tgamma", unary(std::tgamma), 16, 16, -180, 172},
        {"lgamma", unary(std::lgamma), 1e4, 1e4, 3, 1e6},
        {"sinpi", [pi](Real x, Real) { return sin_pi(pi, std::remainder(x, Real{2})); }, 4, 4, -50,
         50},
        {"cospi",
         [pi](Real x, Real) {
             return sin_pi(pi, Real{0.5} - std::fabs(std::remainder(x, Real{2})));
         },
         4, 4, -50, 50},
        {"floor", unary(std::floor), 0, 0, 0, 0},
        {"ceil", unary(std::ceil), 0, 0, 0, 0},
        {"trunc", unary(std::trunc), 0, 0, 0, 0},
        {"round", unary(std::round), 0, 0, 0, 0},
        {"rint", unary(std::rint), 0, 0, 0, 0},
        {"fabs", unary(std::fabs), 0, 0, 0, 0},
        {"logb", unary(std::logb), 0, 0, 0, 0},
        {"pow", [](Real x, Real y) { return std::pow(x, y); }, 16, 16, 0.01, 30, 2},
        {"pow", [](Real x, Real y) { return std::pow(x, y); }, 16, 16, 0, 0, 2},
        {"pow", [](Real x, Real y) { return std::pow(x, std::rint(y)); }, 16, 16, -40, 40, 2, true},
        {"atan2", [](Real x, Real y) { return std::atan2(x, y); }, 6, 6, 0, 0, 2},
        {"hypot", [](Real x, Real y) { return std::hypot(x, y); }, 4, 4, 0, 0, 2},
        {"fmod", [](Real x, Real y) { return std::fmod(x, y); }, 0, 0, -1000, 1000, 2},
        {"remainder", [](Real x, Real y) { return std::remainder(x, y); }, 0, 0, -1000, 1000, 2},
        {"fdim", [](Real x, Real y) { return std::fdim(x, y); }, 0.5, 0.5, 0, 0, 2},
        {"fmax", [](Real x, Real y) { return std::fmax(x, y); }, 0, 0, 0, 0, 2},
        {"fmin", [](Real x, Real y) { return std::fmin(x, y); }, 0, 0, 0, 0, 2},
    };
}

template <class T>
void check_all(const std::string &type, bool is_double) {
    std::string source;
    std::vector<std::string> made;
    const auto all = functions();
    for (const Function &function : all) {
        if (std::find(made.begin(), made.end(), function.name) != made.end())
            continue;
        made.push_back(function.name);
        source += "kernel void test_" + made.back() + "(global const " + type +
                  " *x, global const " + type + " *y, global " + type +
                  " *out) { size_t i = get_global_id(0); out[i] = " + made.back() +
                  (function.operands == 1 ? "(x[i]" : "(x[i], y[i]") + "); }\n";
    }
    Card card(compile_text(source));
    for (const Function &function : all) {
        const auto x = arguments<T>(function.low, function.high, 1);
        auto y = arguments<T>(function.low, function.high, 2);
        std::shuffle(y.begin(), y.end(), std::mt19937(3));
        if (function.whole_second)
            std::transform(y.begin(), y.end(), y.begin(), [](T value) { return std::rint(value); });
        const uint64_t out = card.allocate(x.size() * sizeof(T));
        card.arg(card.upload(x)).arg(card.upload(y)).arg(out);
        card.run(std::string("test_") + function.name, static_cast<uint32_t>(x.size()), 256);
        const auto got = card.download<T>(out, x.size());
        double worst = 0;
        size_t at = 0;
        for (size_t i = 0; i < x.size(); i++) {
            const Real exact = function.exact(x[i], y[i]);
            const double error = ulp_error(got[i], exact);
            if (error > worst) {
                worst = error;
                at = i;
            }
        }
        EXPECT_LE(worst, is_double ? function.double_ulp : function.float_ulp)
            << type << ' ' << function.name << '(' << x[at] << ", " << y[at] << ") = " << got[at]
            << ", not " << static_cast<double>(function.exact(x[at], y[at]));
        testing::Test::RecordProperty(type + "_" + function.name, std::to_string(worst));
    }
}

TEST(MathTest, FloatAccuracy) {
    check_all<float>("float", false);
}
TEST(MathTest, DoubleAccuracy) {
    check_all<double>("double", true);
}

// Functions with an integer operand, down into the subnormals and up to infinity.
template <class T>
void check_integer_operands(const std::string &type) {
    const std::vector<std::tuple<std::string, Real (*)(Real, int), double>> list = {
        {"ldexp", [](Real x, int n) { return std::ldexp(x, n); }, 0.5},
        {"pown", [](Real x, int n) { return std::pow(x, Real(n)); }, 16},
        {"rootn",
         [](Real x, int n) {
             if (n == 0 || (n % 2 == 0 && x < 0))
                 return std::numeric_limits<Real>::quiet_NaN();
             return std::copysign(std::pow(std::fabs(x), Real{1} / n), n % 2 != 0 ? x : Real{1});
         },
         16}};
    std::string source;
    for (const auto &[name, exact, bound] : list)
        source += "kernel void test_" + name + "(global const " + type +
                  " *x, global const int *n, global " + type +
                  " *out) { size_t i = get_global_id(0); out[i] = " + name + "(x[i], n[i]); }\n";
    Card card(compile_text(source));
    auto x = arguments<T>(-20, 20, 5);
    const auto wide = arguments<T>(0, 0, 6);
    std::copy(wide.begin(), wide.begin() + 512, x.begin() + 512);
    std::vector<int> n(x.size());
    for (size_t i = 0; i < n.size(); i++)
        n[i] = static_cast<int>(i * 7919 % 401) - 200;
    for (const auto &[name, exact, bound] : list) {
        const uint64_t out = card.allocate(x.size() * sizeof(T));
        card.arg(card.upload(x)).arg(card.upload(n)).arg(out);
        card.run("test_" + name, static_cast<uint32_t>(x.size()), 256);
        const auto got = card.download<T>(out, x.size());
        for (size_t i = 0; i < x.size(); i++)
            EXPECT_LE(ulp_error(got[i], exact(x[i], n[i])), bound)
                << type << ' ' << name << '(' << x[i] << ", " << n[i] << ") = " << got[i];
    }
}

TEST(MathTest, IntegerOperands) {
    check_integer_operands<float>("float");
    check_integer_operands<double>("double");
}

// Half by way of float: right to the last place but for ties.
TEST(MathTest, HalfAccuracy) {
    const std::vector<std::pair<std::string, Real (*)(Real)>> list = {
        {"sin", std::sin},   {"exp", std::exp},   {"log", std::log},    {"sqrt", std::sqrt},
        {"tanh", std::tanh}, {"cbrt", std::cbrt}, {"floor", std::floor}};
    std::string source = "#pragma OPENCL EXTENSION cl_khr_fp16 : enable\n";
    for (const auto &[name, exact] : list)
        source += "kernel void test_" + name +
                  "(global const half *x, global float *in, global float *out) { size_t i = "
                  "get_global_id(0); in[i] = (float)x[i]; out[i] = (float)" +
                  name + "(x[i]); }\n";
    Card card(compile_text(source));
    std::vector<uint16_t> halves;
    for (uint32_t bits = 0; bits < 65536; bits += 61)
        if ((bits & 0x7fff) <= 0x7c00)
            halves.push_back(static_cast<uint16_t>(bits));
    halves.resize(halves.size() / 32 * 32);
    for (const auto &[name, exact] : list) {
        const uint64_t in = card.allocate(halves.size() * 4),
                       out = card.allocate(halves.size() * 4);
        card.arg(card.upload(halves)).arg(in).arg(out);
        card.run("test_" + name, static_cast<uint32_t>(halves.size()), 32);
        const auto x = card.download<float>(in, halves.size());
        const auto got = card.download<float>(out, halves.size());
        for (size_t i = 0; i < halves.size(); i++) {
            const Real want = exact(x[i]);
            if (std::isnan(want)) {
                EXPECT_TRUE(std::isnan(got[i])) << name << ' ' << x[i];
                continue;
            }
            if (std::fabs(want) >= 65520) {
                EXPECT_TRUE(std::isinf(got[i])) << name << ' ' << x[i];
                continue;
            }
            const int exponent = want == 0 ? -24 : std::max(std::ilogb(want) - 10, -24);
            EXPECT_LE(std::fabs(got[i] - want), std::ldexp(Real{0.51}, exponent))
                << name << ' ' << x[i];
        }
    }
}

// Vectors are the scalars side by side; second results come through pointers of every kind.
TEST(MathTest, VectorsAndPointers) {
    Card card(compile_text(R"(
        kernel void k(global const float4 *x, global float *out) {
            local float4 l;
            float4 p;
            global float4 *g = (global float4 *)(out + 16);
            vstore4(sincos(x[0], &p), 0, out);
            vstore4(p, 1, out);
            vstore4(modf(x[0], &l), 2, out);
            vstore4(fract(x[0], g), 3, out);
            int4 e;
            const float4 m = frexp(x[0], &e);
            vstore4(m, 5, out);
            vstore4(convert_float4(e), 6, out);
            vstore4(ldexp(m, e), 7, out);
            vstore4(l, 8, out);
        })"));
    const std::vector<float> x = {1.25f, -2.75f, 100.5f, 0.375f};
    const uint64_t out = card.allocate(36 * 4);
    card.arg(card.upload(x)).arg(out).run("k", 1, 1);
    const auto got = card.download<float>(out, 36);
    for (size_t i = 0; i < 4; i++) {
        int exponent = 0;
        const float mantissa = std::frexp(x[i], &exponent);
        EXPECT_NEAR(got[i], std::sin(x[i]), 1e-6);
        EXPECT_NEAR(got[4 + i], std::cos(x[i]), 1e-6);
        EXPECT_EQ(got[8 + i], x[i] - std::trunc(x[i]));
        EXPECT_EQ(got[12 + i], x[i] - std::floor(x[i]));
        EXPECT_EQ(got[16 + i], std::floor(x[i]));
        EXPECT_EQ(got[20 + i], mantissa);
        EXPECT_EQ(got[24 + i], float(exponent));
        EXPECT_EQ(got[28 + i], x[i]);
        EXPECT_EQ(got[32 + i], std::trunc(x[i]));
    }
}

} // namespace
} // namespace brgpu::cc::test
