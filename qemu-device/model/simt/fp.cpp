// SPDX-License-Identifier: MIT
#include "fp.hpp"

#include <bit>
#include <initializer_list>

namespace brgpu::simt::fp {
namespace {

using Wide = unsigned __int128;

struct Traits {
    int exponent_bits;
    int fraction_bits;
    constexpr int width() const { return 1 + exponent_bits + fraction_bits; }
    constexpr int bias() const { return (1 << (exponent_bits - 1)) - 1; }
    constexpr int max_field() const { return (1 << exponent_bits) - 1; }
    constexpr uint64_t sign_bit() const { return uint64_t{1} << (width() - 1); }
    constexpr uint64_t infinity() const {
        return static_cast<uint64_t>(max_field()) << fraction_bits;
    }
    constexpr uint64_t fraction_mask() const { return (uint64_t{1} << fraction_bits) - 1; }
};

constexpr Traits traits_of[3] = {{5, 10}, {8, 23}, {11, 52}};

Traits traits(Format format) {
    return traits_of[static_cast<unsigned>(format)];
}

uint64_t default_nan(Format format) {
    return canonical_nan[static_cast<unsigned>(format)];
}

enum class Kind : uint8_t { zero, finite, infinite, quiet_nan, signaling_nan };

// A finite value is significand * 2^(exponent - 63), bit 63 of the significand set.
struct Unpacked {
    Kind kind;
    bool negative;
    int exponent;
    uint64_t significand;

    bool is_nan() const { return kind >= Kind::quiet_nan; }
};

Unpacked unpack(Format format, uint64_t bits) {
    const Traits t = traits(format);
    Unpacked u{};
    u.negative = (bits & t.sign_bit()) != 0;
    const int field =
        static_cast<int>((bits >> t.fraction_bits) & static_cast<uint64_t>(t.max_field()));
    const uint64_t fraction = bits & t.fraction_mask();
    if (field == t.max_field()) {
        if (fraction == 0)
            u.kind = Kind::infinite;
        else
            u.kind = (fraction >> (t.fraction_bits - 1)) ? Kind::quiet_nan : Kind::signaling_nan;
    } else if (field == 0 && fraction == 0) {
        u.kind = Kind::zero;
    } else {
        u.kind = Kind::finite;
        if (field == 0) {
            const int shift = std::countl_zero(fraction);
            u.significand = fraction << shift;
            u.exponent = 1 - t.bias() + (63 - t.fraction_bits) - shift;
        } else {
            u.significand = (fraction | (uint64_t{1} << t.fraction_bits)) << (63 - t.fraction_bits);
            u.exponent = field - t.bias();
        }
    }
    return u;
}

uint64_t signed_zero(Format format, bool negative) {
    return negative ? traits(format).sign_bit() : 0;
}

uint64_t signed_infinity(Format format, bool negative) {
    return traits(format).infinity() | signed_zero(format, negative);
}

Wide shift_right_jam(Wide value, unsigned distance) {
    if (distance == 0)
        return value;
    if (distance >= 128)
        return value != 0;
    const Wide lost = value << (128 - distance);
    return (value >> distance) | (lost != 0 ? 1u : 0u);
}

int leading_zeros(Wide value) {
    const auto high = static_cast<uint64_t>(value >> 64);
    return high ? std::countl_zero(high) : 64 + std::countl_zero(static_cast<uint64_t>(value));
}

// Whether the magnitude is rounded up: `rest` is what lies below the last place, as a fraction of
// it with the binary point before bit 127.
bool rounds_up(bool odd, Wide rest, bool negative, Rounding mode) {
    constexpr Wide half = Wide{1} << 127;
    switch (mode) {
    case Rounding::nearest_even:
        return rest > half || (rest == half && odd);
    case Rounding::to_zero:
        return false;
    case Rounding::down:
        return negative && rest != 0;
    case Rounding::up:
        return !negative && rest != 0;
    case Rounding::nearest_max_magnitude:
        return rest >= half;
    }
    return false;
}

// value = significand * 2^(exponent - 127), any non-zero significand; its lowest bit may stand for
// a remainder as long as more than two bits lie below the format's last place.
uint64_t round_pack(Format format, bool negative, int exponent, Wide significand, Rounding mode,
                    uint8_t &flags) {
    const Traits t = traits(format);
    const int shift = leading_zeros(significand);
    significand <<= shift;
    exponent -= shift;

    const int precision = t.fraction_bits + 1;
    const int min_exponent = 1 - t.bias();
    bool tiny = false;
    if (exponent < min_exponent) {
        // Tiny unless rounding with an unbounded exponent reaches the smallest normal value.
        tiny = true;
        if (exponent == min_exponent - 1) {
            const Wide kept = significand >> (128 - precision);
            if (rounds_up(kept & 1, significand << precision, negative, mode) &&
                kept + 1 == (Wide{1} << precision))
                tiny = false;
        }
        significand = shift_right_jam(significand, static_cast<unsigned>(min_exponent - exponent));
        exponent = min_exponent;
    }
    auto kept = static_cast<uint64_t>(significand >> (128 - precision));
    const Wide rest = significand << precision;
    if (rounds_up(kept & 1, rest, negative, mode))
        ++kept;
    if (kept >> precision) {
        kept >>= 1;
        ++exponent;
    }
    if (rest != 0) {
        flags |= flag_inexact;
        if (tiny)
            flags |= flag_underflow;
    }
    if (exponent > t.bias()) {
        flags |= flag_overflow | flag_inexact;
        const bool to_infinity = mode == Rounding::nearest_even ||
                                 mode == Rounding::nearest_max_magnitude ||
                                 mode == (negative ? Rounding::down : Rounding::up);
        return signed_infinity(format, negative) - (to_infinity ? 0 : 1);
    }
    const bool normal = kept >> t.fraction_bits;
    const uint64_t field = normal ? static_cast<uint64_t>(exponent + t.bias()) : 0;
    return signed_zero(format, negative) | (field << t.fraction_bits) | (kept & t.fraction_mask());
}

uint64_t nan_result(Format format, std::initializer_list<Unpacked> operands, uint8_t &flags) {
    for (const Unpacked &operand : operands)
        if (operand.kind == Kind::signaling_nan)
            flags |= flag_invalid;
    return default_nan(format);
}

uint64_t invalid(Format format, uint8_t &flags) {
    flags |= flag_invalid;
    return default_nan(format);
}

// Sum of two finite values given as 126-bit fixed point at their exponents.
uint64_t add_finite(Format format, bool a_negative, int a_exponent, Wide a, bool b_negative,
                    int b_exponent, Wide b, Rounding mode, uint8_t &flags) {
    const int exponent = a_exponent > b_exponent ? a_exponent : b_exponent;
    a = shift_right_jam(a, static_cast<unsigned>(exponent - a_exponent));
    b = shift_right_jam(b, static_cast<unsigned>(exponent - b_exponent));
    bool negative = a_negative;
    Wide sum;
    if (a_negative == b_negative) {
        sum = a + b;
    } else if (a == b) {
        return signed_zero(format, mode == Rounding::down);
    } else if (a > b) {
        sum = a - b;
    } else {
        sum = b - a;
        negative = b_negative;
    }
    return round_pack(format, negative, exponent, sum, mode, flags);
}

uint64_t negate(Format format, uint64_t a) {
    return a ^ traits(format).sign_bit();
}

} // namespace

uint64_t fma(Format format, uint64_t a, uint64_t b, uint64_t c, Rounding mode,
             uint8_t &flags) noexcept {
    const Unpacked x = unpack(format, a), y = unpack(format, b), z = unpack(format, c);
    const bool negative = x.negative != y.negative;
    const bool infinite = x.kind == Kind::infinite || y.kind == Kind::infinite;
    const bool zero = x.kind == Kind::zero || y.kind == Kind::zero;
    if (infinite && zero && !x.is_nan() && !y.is_nan())
        return invalid(format, flags); // also with a quiet NaN as addend
    if (x.is_nan() || y.is_nan() || z.is_nan())
        return nan_result(format, {x, y, z}, flags);
    if (infinite) {
        if (z.kind == Kind::infinite && z.negative != negative)
            return invalid(format, flags);
        return signed_infinity(format, negative);
    }
    if (z.kind == Kind::infinite)
        return c;
    if (zero) {
        if (z.kind != Kind::zero)
            return c;
        if (negative == z.negative)
            return c;
        return signed_zero(format, mode == Rounding::down);
    }
    const Wide product = static_cast<Wide>(x.significand) * y.significand;
    const int exponent = x.exponent + y.exponent + 1;
    if (z.kind == Kind::zero)
        return round_pack(format, negative, exponent, product, mode, flags);
    // Two spare bits at the top for the carry; at least 20 zero bits stand at the bottom, so that
    // nothing is lost here and the remainder bit is exact enough under cancellation.
    return add_finite(format, negative, exponent + 2, product >> 2, z.negative, z.exponent + 2,
                      static_cast<Wide>(z.significand) << 62, mode, flags);
}

uint64_t add(Format format, uint64_t a, uint64_t b, Rounding mode, uint8_t &flags) noexcept {
    const Traits t = traits(format);
    const uint64_t one = static_cast<uint64_t>(t.bias()) << t.fraction_bits;
    return fma(format, a, one, b, mode, flags);
}

uint64_t mul(Format format, uint64_t a, uint64_t b, Rounding mode, uint8_t &flags) noexcept {
    const Unpacked x = unpack(format, a), y = unpack(format, b);
    const bool negative = x.negative != y.negative;
    if (x.is_nan() || y.is_nan())
        return nan_result(format, {x, y}, flags);
    const bool infinite = x.kind == Kind::infinite || y.kind == Kind::infinite;
    const bool zero = x.kind == Kind::zero || y.kind == Kind::zero;
    if (infinite)
        return zero ? invalid(format, flags) : signed_infinity(format, negative);
    if (zero)
        return signed_zero(format, negative);
    return round_pack(format, negative, x.exponent + y.exponent + 1,
                      static_cast<Wide>(x.significand) * y.significand, mode, flags);
}

uint64_t div(Format format, uint64_t a, uint64_t b, Rounding mode, uint8_t &flags) noexcept {
    const Unpacked x = unpack(format, a), y = unpack(format, b);
    const bool negative = x.negative != y.negative;
    if (x.is_nan() || y.is_nan())
        return nan_result(format, {x, y}, flags);
    if (x.kind == y.kind && x.kind != Kind::finite)
        return invalid(format, flags); // 0/0, inf/inf
    if (x.kind == Kind::infinite)
        return signed_infinity(format, negative);
    if (y.kind == Kind::infinite || x.kind == Kind::zero)
        return signed_zero(format, negative);
    if (y.kind == Kind::zero) {
        flags |= flag_divide_by_zero;
        return signed_infinity(format, negative);
    }
    const Wide numerator = static_cast<Wide>(x.significand) << 64;
    Wide quotient = numerator / y.significand; // in (2^63, 2^65)
    const bool remainder = numerator % y.significand != 0;
    quotient = (quotient << 2) | (remainder ? 1u : 0u);
    return round_pack(format, negative, x.exponent - y.exponent + 127 - 66, quotient, mode, flags);
}

uint64_t sqrt(Format format, uint64_t a, Rounding mode, uint8_t &flags) noexcept {
    const Unpacked x = unpack(format, a);
    if (x.is_nan())
        return nan_result(format, {x}, flags);
    if (x.kind == Kind::zero)
        return a;
    if (x.negative)
        return invalid(format, flags);
    if (x.kind == Kind::infinite)
        return a;
    const bool odd = x.exponent & 1;
    const Wide radicand = static_cast<Wide>(x.significand) << (odd ? 64 : 63);
    uint64_t root = 0;
    for (int bit = 63; bit >= 0; --bit) {
        const uint64_t trial = root | (uint64_t{1} << bit);
        if (static_cast<Wide>(trial) * trial <= radicand)
            root = trial;
    }
    const bool remainder = static_cast<Wide>(root) * root != radicand;
    return round_pack(format, false, (x.exponent - (odd ? 1 : 0)) / 2,
                      (static_cast<Wide>(root) << 64) | (remainder ? 1u : 0u), mode, flags);
}

uint64_t minimum(Format format, uint64_t a, uint64_t b, bool maximum, uint8_t &flags) noexcept {
    const Unpacked x = unpack(format, a), y = unpack(format, b);
    if (x.kind == Kind::signaling_nan || y.kind == Kind::signaling_nan)
        flags |= flag_invalid;
    if (x.is_nan())
        return y.is_nan() ? default_nan(format) : b;
    if (y.is_nan())
        return a;
    // As sign and magnitude, with -0 below +0.
    bool less;
    if (x.negative != y.negative)
        less = x.negative;
    else
        less = x.negative ? a > b : a < b;
    return less != maximum ? a : b;
}

uint64_t convert(Format from, Format to, uint64_t a, Rounding mode, uint8_t &flags) noexcept {
    const Unpacked x = unpack(from, a);
    switch (x.kind) {
    case Kind::zero:
        return signed_zero(to, x.negative);
    case Kind::infinite:
        return signed_infinity(to, x.negative);
    case Kind::finite:
        return round_pack(to, x.negative, x.exponent, static_cast<Wide>(x.significand) << 64, mode,
                          flags);
    default:
        return nan_result(to, {x}, flags);
    }
}

uint64_t to_integer(Format format, uint64_t a, bool is_signed, unsigned width, Rounding mode,
                    uint8_t &flags) noexcept {
    const Unpacked x = unpack(format, a);
    const uint64_t top = uint64_t{1} << (width - 1);
    const auto extend = [&](uint64_t value) {
        return width == 32 ? static_cast<uint64_t>(static_cast<int64_t>(
                                 static_cast<int32_t>(static_cast<uint32_t>(value))))
                           : value;
    };
    const uint64_t largest = is_signed ? top - 1 : (top - 1) | top;
    const uint64_t smallest = is_signed ? top : 0;
    if (x.is_nan()) {
        flags |= flag_invalid;
        return extend(largest);
    }
    if (x.kind == Kind::zero)
        return 0;
    if (x.kind == Kind::infinite || x.exponent > 64) {
        flags |= flag_invalid;
        return extend(x.negative ? smallest : largest);
    }
    // Magnitude as 65.63 fixed point.
    Wide whole = 0, rest = 0;
    const Wide significand = static_cast<Wide>(x.significand) << 64; // 1.127
    if (x.exponent >= 0) {
        whole = significand >> (127 - x.exponent);
        rest = significand << (x.exponent + 1);
    } else {
        rest = shift_right_jam(significand, static_cast<unsigned>(-x.exponent - 1));
    }
    if (rounds_up(whole & 1, rest, x.negative, mode))
        ++whole;
    const Wide limit = x.negative ? Wide{smallest} : Wide{largest};
    if (whole > limit) {
        flags |= flag_invalid;
        return extend(x.negative ? smallest : largest);
    }
    if (rest != 0)
        flags |= flag_inexact;
    const auto magnitude = static_cast<uint64_t>(whole);
    return extend(x.negative ? 0 - magnitude : magnitude);
}

uint64_t from_integer(Format format, uint64_t a, bool is_signed, unsigned width, Rounding mode,
                      uint8_t &flags) noexcept {
    if (width == 32)
        a = is_signed ? static_cast<uint64_t>(
                            static_cast<int64_t>(static_cast<int32_t>(static_cast<uint32_t>(a))))
                      : static_cast<uint32_t>(a);
    if (a == 0)
        return 0;
    const bool negative = is_signed && (a >> 63);
    const uint64_t magnitude = negative ? 0 - a : a;
    return round_pack(format, negative, 127, Wide{magnitude}, mode, flags);
}

uint64_t classify(Format format, uint64_t a) noexcept {
    const Traits t = traits(format);
    const Unpacked x = unpack(format, a);
    switch (x.kind) {
    case Kind::infinite:
        return x.negative ? 1u << 0 : 1u << 7;
    case Kind::zero:
        return x.negative ? 1u << 3 : 1u << 4;
    case Kind::signaling_nan:
        return 1u << 8;
    case Kind::quiet_nan:
        return 1u << 9;
    case Kind::finite:
        break;
    }
    const bool subnormal = x.exponent < 1 - t.bias();
    if (x.negative)
        return subnormal ? 1u << 2 : 1u << 1;
    return subnormal ? 1u << 5 : 1u << 6;
}

namespace {

uint64_t box(Format format, uint64_t value) {
    switch (format) {
    case Format::half:
        return value | 0xffffffffffff0000u;
    case Format::single:
        return value | 0xffffffff00000000u;
    case Format::dbl:
        break;
    }
    return value;
}

uint64_t unbox(Format format, uint64_t reg) {
    switch (format) {
    case Format::half:
        return (reg >> 16) == 0xffffffffffffu ? reg & 0xffff : default_nan(format);
    case Format::single:
        return (reg >> 32) == 0xffffffffu ? reg & 0xffffffff : default_nan(format);
    case Format::dbl:
        break;
    }
    return reg;
}

// Distance of op from the first of a group that ends at (and includes) `last`, or -1.
int within(Op op, Op first, Op last) {
    return op >= first && op <= last ? static_cast<int>(op) - static_cast<int>(first) : -1;
}

uint64_t compare(Format format, Op op, uint64_t a, uint64_t b, uint8_t &flags) {
    const Unpacked x = unpack(format, a), y = unpack(format, b);
    const bool quiet = op <= Op::feq_d;
    if (x.is_nan() || y.is_nan()) {
        if (!quiet || x.kind == Kind::signaling_nan || y.kind == Kind::signaling_nan)
            flags |= flag_invalid;
        return 0;
    }
    const bool equal = a == b || (x.kind == Kind::zero && y.kind == Kind::zero);
    if (quiet)
        return equal;
    if (equal)
        return op >= Op::fle_h;
    if (x.negative != y.negative)
        return x.negative;
    return x.negative ? a > b : a < b;
}

uint64_t sign_inject(Format format, unsigned kind, uint64_t a, uint64_t b) {
    const uint64_t sign = traits(format).sign_bit();
    switch (kind) {
    case 0:
        return (a & ~sign) | (b & sign);
    case 1:
        return (a & ~sign) | (~b & sign);
    default:
        return a ^ (b & sign);
    }
}

} // namespace

bool rounds(Op op) noexcept {
    return within(op, Op::fmadd_h, Op::fsqrt_d) >= 0 || within(op, Op::fcvt_w_h, Op::fcvt_s_d) >= 0;
}

bool reads_integer(Op op) noexcept {
    return within(op, Op::fmv_h_x, Op::fmv_d_x) >= 0 ||
           within(op, Op::fcvt_h_w, Op::fcvt_d_lu) >= 0;
}

Result execute(Op op, Rounding mode, uint64_t a, uint64_t b, uint64_t c) noexcept {
    Result result{0, false, 0};
    const auto fp_result = [&](Format format, uint64_t value) {
        result.value = box(format, value);
        return result;
    };
    const auto int_result = [&](uint64_t value) {
        result.value = value;
        result.to_integer_register = true;
        return result;
    };
    uint8_t &flags = result.flags;
    int at = within(op, Op::fmadd_h, Op::fclass_d);
    if (at >= 0) {
        const auto f = static_cast<Format>(at % 3);
        const uint64_t x = unbox(f, a), y = unbox(f, b);
        switch (static_cast<Op>(static_cast<int>(op) - at % 3)) {
        case Op::fmadd_h:
            return fp_result(f, fma(f, x, y, unbox(f, c), mode, flags));
        case Op::fmsub_h:
            return fp_result(f, fma(f, x, y, negate(f, unbox(f, c)), mode, flags));
        case Op::fnmsub_h:
            return fp_result(f, fma(f, negate(f, x), y, unbox(f, c), mode, flags));
        case Op::fnmadd_h:
            return fp_result(f, fma(f, negate(f, x), y, negate(f, unbox(f, c)), mode, flags));
        case Op::fadd_h:
            return fp_result(f, add(f, x, y, mode, flags));
        case Op::fsub_h:
            return fp_result(f, add(f, x, negate(f, y), mode, flags));
        case Op::fmul_h:
            return fp_result(f, mul(f, x, y, mode, flags));
        case Op::fdiv_h:
            return fp_result(f, div(f, x, y, mode, flags));
        case Op::fsqrt_h:
            return fp_result(f, sqrt(f, x, mode, flags));
        case Op::fsgnj_h:
            return fp_result(f, sign_inject(f, 0, x, y));
        case Op::fsgnjn_h:
            return fp_result(f, sign_inject(f, 1, x, y));
        case Op::fsgnjx_h:
            return fp_result(f, sign_inject(f, 2, x, y));
        case Op::fmin_h:
            return fp_result(f, minimum(f, x, y, false, flags));
        case Op::fmax_h:
            return fp_result(f, minimum(f, x, y, true, flags));
        case Op::fclass_h:
            return int_result(classify(f, x));
        default:
            return int_result(compare(f, op, x, y, flags));
        }
    }
    at = within(op, Op::fmv_x_h, Op::fmv_x_d);
    if (at == 0)
        return int_result(static_cast<uint64_t>(static_cast<int64_t>(static_cast<int16_t>(a))));
    if (at == 1)
        return int_result(static_cast<uint64_t>(static_cast<int64_t>(static_cast<int32_t>(a))));
    if (at == 2)
        return int_result(a);
    at = within(op, Op::fmv_h_x, Op::fmv_d_x);
    if (at >= 0)
        return fp_result(static_cast<Format>(at), a);
    at = within(op, Op::fcvt_w_h, Op::fcvt_lu_d);
    if (at >= 0) {
        const auto f = static_cast<Format>(at % 3);
        const int kind = at / 3;
        return int_result(
            to_integer(f, unbox(f, a), (kind & 1) == 0, kind < 2 ? 32 : 64, mode, flags));
    }
    at = within(op, Op::fcvt_h_w, Op::fcvt_d_lu);
    if (at >= 0) {
        const auto f = static_cast<Format>(at % 3);
        const int kind = at / 3;
        return fp_result(f, from_integer(f, a, (kind & 1) == 0, kind < 2 ? 32 : 64, mode, flags));
    }
    at = within(op, Op::fcvt_s_h, Op::fcvt_s_d);
    if (at >= 0) {
        constexpr Format from[6] = {Format::half,   Format::half, Format::single,
                                    Format::single, Format::dbl,  Format::dbl};
        constexpr Format to[6] = {Format::single, Format::dbl,  Format::half,
                                  Format::dbl,    Format::half, Format::single};
        return fp_result(to[at], convert(from[at], to[at], unbox(from[at], a), mode, flags));
    }
    return result;
}

} // namespace brgpu::simt::fp
