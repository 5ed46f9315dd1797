// SPDX-License-Identifier: MIT
//
// Floating-point instructions against Berkeley SoftFloat (its RISC-V variant), on the operands that
// Berkeley TestFloat makes: results and flags bit by bit, all formats, all rounding modes, static
// and dynamic, on the exact path and on the vector code of every build.
//
// Of the six million cases of a fused operation each 97th is taken. BRGPU_TESTFLOAT_STEP=1 takes
// all, in some ten minutes of one core.
#include <cstdlib>
#include <functional>
#include <tuple>

#include <gtest/gtest.h>

#include "encoding.hpp"
#include "support.hpp"

extern "C" {
#include "softfloat.h"

#include "genCases.h"
}

namespace brgpu::simt::test {
namespace {

struct Case {
    uint64_t a, b, c; // without boxing
};
using Cases = std::vector<Case>;

// A format: its number in instructions, its bits.
struct Format {
    const char *name;
    uint32_t fmt;
    unsigned width;
};
constexpr Format half = {"h", rv::fmt_h, 16}, single = {"s", rv::fmt_s, 32},
                 dbl = {"d", rv::fmt_d, 64};

// One instruction with the function of SoftFloat that does the same.
struct Operation {
    std::string name;
    uint32_t code; // rm 0, rd 10 or f10, rs1 11 or f11, rs2 f12, rs3 f13
    bool from_integer, to_integer, rounds;
    unsigned in, out; // bits of operands and result, for boxing
    std::function<uint64_t(const Case &)> expected;
};

uint64_t box(uint64_t bits, unsigned width) {
    return width == 64 ? bits : bits | ~uint64_t{0} << width;
}

// ---- operands ----

template <class Init, class Next, class Take>
Cases collect(Init init, Next next, Take take, uint64_t step) {
    Cases cases;
    genCases_setLevel(1);
    init();
    genCases_done = false;
    for (uint64_t i = 0; !genCases_done; ++i) {
        next();
        if (i % step == 0)
            cases.push_back(take());
    }
    return cases;
}

#define CASES_1(type, source)                                                                      \
    collect(                                                                                       \
        genCases_##type##_a_init, genCases_##type##_a_next,                                        \
        [] { return Case{static_cast<uint64_t>(source), 0, 0}; }, 1)
#define CASES_OF_FLOAT(type)                                                                       \
    Cases one_##type() {                                                                           \
        return CASES_1(type, genCases_##type##_a.v);                                               \
    }                                                                                              \
    Cases two_##type() {                                                                           \
        return collect(                                                                            \
            genCases_##type##_ab_init, genCases_##type##_ab_next,                                  \
            [] { return Case{genCases_##type##_a.v, genCases_##type##_b.v, 0}; }, 1);              \
    }                                                                                              \
    Cases three_##type(uint64_t step) {                                                            \
        return collect(                                                                            \
            genCases_##type##_abc_init, genCases_##type##_abc_next,                                \
            [] {                                                                                   \
                return Case{genCases_##type##_a.v, genCases_##type##_b.v, genCases_##type##_c.v};  \
            },                                                                                     \
            step);                                                                                 \
    }
CASES_OF_FLOAT(f16)
CASES_OF_FLOAT(f32)
CASES_OF_FLOAT(f64)

// ---- the engine ----

constexpr uint32_t batch = 4096;
constexpr uint64_t operands_va = 0x10000000;
struct Row {
    uint64_t a, b, c, result, flags, pad[3];
};

// How an instruction is run.
struct Way {
    uint32_t rm;
    bool dynamic;
    bool exact; // with flags
};

std::vector<uint32_t> kernel_for(const Operation &op, const Way &way) {
    std::vector<uint32_t> code = {
        rv::csr(2, rv::t0, BRGPU_CSR_GLOBAL_ID, rv::zero),
        rv::slli(rv::t0, rv::t0, 6),
        rv::lui(rv::t1, operands_va >> 12),
        rv::add(rv::t0, rv::t0, rv::t1),
        rv::ld(11, rv::t0, 0),
        rv::load_fp(3, 12, rv::t0, 8),
        rv::load_fp(3, 13, rv::t0, 16),
    };
    // Boxed singles that come from word loads take the vector code.
    code.push_back(op.in == 32 && !op.from_integer ? rv::load_fp(2, 11, rv::t0, 0)
                                                   : rv::load_fp(3, 11, rv::t0, 0));
    if (op.in == 32 && !op.from_integer) {
        code.push_back(rv::load_fp(2, 12, rv::t0, 8));
        code.push_back(rv::load_fp(2, 13, rv::t0, 16));
    }
    if (way.exact)
        code.push_back(rv::csr(1, rv::zero, rv::csr_fflags, rv::zero));
    if (way.dynamic)
        code.push_back(rv::csr(5, rv::zero, rv::csr_frm, way.rm));
    const uint32_t rm = way.dynamic ? rv::rm_dynamic : way.rm;
    code.push_back(op.rounds ? op.code | rm << 12 : op.code);
    code.push_back(op.to_integer ? rv::sd(10, rv::t0, 24) : rv::store_fp(3, 10, rv::t0, 24));
    if (way.exact) {
        code.push_back(rv::csr(2, 10, rv::csr_fflags, rv::zero));
        code.push_back(rv::sd(10, rv::t0, 32));
    }
    code.push_back(rv::jalr(rv::zero, rv::ra, 0));
    return code;
}

class Engine {
  public:
    Engine() {
        memory_.map(code_va, page_bytes);
        memory_.map(operands_va, batch * sizeof(Row));
        params_.kernel.magic = BRGPU_KERNEL_DESC_MAGIC;
        params_.kernel.isa_major = BRGPU_ISA_MAJOR;
        params_.kernel_va = code_va - 64;
        params_.kernel.entry_offset = 64;
        params_.workgroup[0] = 256;
    }
    void load(const std::vector<uint32_t> &code) {
        memory_.write(code_va, code.data(), code.size() * 4);
        memory_.invalidate_code();
    }
    Row &row(uint32_t index) {
        const uint64_t va = operands_va + index * sizeof(Row);
        if (va % page_bytes == 0 || !page_)
            page_ = memory_.host(va & ~(page_bytes - 1));
        return reinterpret_cast<Row *>(page_)[va % page_bytes / sizeof(Row)];
    }
    void run(uint32_t count) {
        params_.grid[0] = count;
        Dispatch dispatch(params_, memory_, host_);
        ASSERT_EQ(run_dispatch(dispatch, worker_).status, Status::finished);
    }

  private:
    PagedMemory memory_;
    CountingHost host_;
    Worker worker_;
    DispatchParams params_;
    std::byte *page_ = nullptr;
};

// Compares one operation in one way; shows the first few differences.
void compare(Engine &engine, const Operation &op, const Cases &cases, const Way &way) {
    engine.load(kernel_for(op, way));
    unsigned wrong = 0;
    for (size_t start = 0; start < cases.size() && wrong < 5; start += batch) {
        const auto count = static_cast<uint32_t>(std::min<size_t>(batch, cases.size() - start));
        for (uint32_t i = 0; i < count; ++i) {
            const Case &c = cases[start + i];
            const unsigned width = op.from_integer ? 64 : op.in;
            engine.row(i) = {box(c.a, width), box(c.b, width), box(c.c, width), 0, 0, {}};
        }
        engine.run(count);
        for (uint32_t i = 0; i < count && wrong < 5; ++i) {
            const Case &c = cases[start + i];
            softfloat_roundingMode = static_cast<uint_fast8_t>(way.rm);
            softfloat_exceptionFlags = 0;
            const uint64_t want = op.to_integer ? op.expected(c) : box(op.expected(c), op.out);
            const uint64_t flags = way.exact ? softfloat_exceptionFlags : 0;
            const Row &got = engine.row(i);
            if (got.result == want && got.flags == flags)
                continue;
            ++wrong;
            ADD_FAILURE() << op.name << " rm " << way.rm << (way.dynamic ? " dynamic" : " static")
                          << (way.exact ? " exact" : "") << ' ' << Worker::isa_name() << std::hex
                          << "\n operands " << c.a << ' ' << c.b << ' ' << c.c << "\n got  "
                          << got.result << " flags " << got.flags << "\n want " << want << " flags "
                          << flags;
        }
    }
}

void compare_all_ways(const Operation &op, const Cases &cases) {
    Engine engine;
    ASSERT_FALSE(cases.empty());
    const uint32_t modes = op.rounds ? 5 : 1;
    for (uint32_t rm = 0; rm < modes; ++rm) {
        compare(engine, op, cases, {rm, false, true});
        if (op.rounds)
            compare(engine, op, cases, {rm, true, false});
    }
    for (const char *isa : {"baseline", "avx2", "avx512"}) {
        if (!Worker::select_isa(isa))
            continue; // not on this host
        compare(engine, op, cases, {0, false, false});
    }
    Worker::select_isa(nullptr);
}

// ---- operations ----

constexpr rv::Reg rd = 10, rs1 = 11, rs2 = 12, rs3 = 13;

uint64_t step_of_fused() {
    const char *text = std::getenv("BRGPU_TESTFLOAT_STEP");
    const uint64_t step = text ? std::strtoull(text, nullptr, 10) : 0;
    return step ? step : 97;
}

#define ARITHMETIC_OF(type, real, format)                                                          \
    real make_##type(uint64_t bits) {                                                              \
        real value;                                                                                \
        value.v = static_cast<decltype(value.v)>(bits);                                            \
        return value;                                                                              \
    }                                                                                              \
    std::vector<Operation> pairs_of_##type() {                                                     \
        const auto arithmetic = [](const char *name, uint32_t funct5, auto function) {             \
            return Operation{std::string(name) + "." + format.name,                                \
                             rv::fp(funct5, format.fmt, 0, rd, rs1, rs2),                          \
                             false,                                                                \
                             false,                                                                \
                             true,                                                                 \
                             format.width,                                                         \
                             format.width,                                                         \
                             [function](const Case &c) -> uint64_t {                               \
                                 return function(make_##type(c.a), make_##type(c.b)).v;            \
                             }};                                                                   \
        };                                                                                         \
        const auto comparison = [](const char *name, uint32_t rm, auto function) {                 \
            return Operation{std::string(name) + "." + format.name,                                \
                             rv::fp(rv::fp_compare, format.fmt, rm, rd, rs1, rs2),                 \
                             false,                                                                \
                             true,                                                                 \
                             false,                                                                \
                             format.width,                                                         \
                             64,                                                                   \
                             [function](const Case &c) -> uint64_t {                               \
                                 return function(make_##type(c.a), make_##type(c.b));              \
                             }};                                                                   \
        };                                                                                         \
        return {arithmetic("fadd", rv::fp_add, type##_add),                                        \
                arithmetic("fsub", rv::fp_sub, type##_sub),                                        \
                arithmetic("fmul", rv::fp_mul, type##_mul),                                        \
                arithmetic("fdiv", rv::fp_div, type##_div),                                        \
                comparison("feq", 2, type##_eq),                                                   \
                comparison("flt", 1, type##_lt),                                                   \
                comparison("fle", 0, type##_le)};                                                  \
    }                                                                                              \
    std::vector<Operation> fused_of_##type() {                                                     \
        std::vector<Operation> all;                                                                \
        const char *names[] = {"fmadd", "fmsub", "fnmsub", "fnmadd"};                              \
        for (uint32_t kind = 0; kind < 4; ++kind) {                                                \
            const uint64_t sign = uint64_t{1} << (format.width - 1);                               \
            const uint64_t flip_product = kind >= 2 ? sign : 0;                                    \
            const uint64_t flip_addend = kind == 1 || kind == 3 ? sign : 0;                        \
            all.push_back({std::string(names[kind]) + "." + format.name,                           \
                           rv::fp_fused(kind, format.fmt, 0, rd, rs1, rs2, rs3), false, false,     \
                           true, format.width, format.width, [=](const Case &c) -> uint64_t {      \
                               return type##_mulAdd(make_##type(c.a ^ flip_product),               \
                                                    make_##type(c.b),                              \
                                                    make_##type(c.c ^ flip_addend))                \
                                   .v;                                                             \
                           }});                                                                    \
        }                                                                                          \
        return all;                                                                                \
    }                                                                                              \
    std::vector<Operation> single_operand_of_##type() {                                            \
        const auto to_integer = [](const char *name, uint32_t to, auto function, unsigned bits) {  \
            return Operation{std::string("fcvt.") + name + "." + format.name,                      \
                             rv::fp(rv::fp_to_int, format.fmt, 0, rd, rs1, to),                    \
                             false,                                                                \
                             true,                                                                 \
                             true,                                                                 \
                             format.width,                                                         \
                             64,                                                                   \
                             [=](const Case &c) -> uint64_t {                                      \
                                 const auto value = static_cast<uint64_t>(                         \
                                     function(make_##type(c.a), softfloat_roundingMode, true));    \
                                 return bits == 64 ? value                                         \
                                                   : static_cast<uint64_t>(static_cast<int64_t>(   \
                                                         static_cast<int32_t>(value)));            \
                             }};                                                                   \
        };                                                                                         \
        return {                                                                                   \
            Operation{std::string("fsqrt.") + format.name,                                         \
                      rv::fp(rv::fp_sqrt, format.fmt, 0, rd, rs1, 0), false, false, true,          \
                      format.width, format.width,                                                  \
                      [](const Case &c) -> uint64_t { return type##_sqrt(make_##type(c.a)).v; }},  \
            to_integer("w", 0, type##_to_i32, 32), to_integer("wu", 1, type##_to_ui32, 32),        \
            to_integer("l", 2, type##_to_i64, 64), to_integer("lu", 3, type##_to_ui64, 64)};       \
    }                                                                                              \
    Operation from_integer_to_##type(const char *name, uint32_t from,                              \
                                     std::function<real(uint64_t)> function) {                     \
        return {std::string("fcvt.") + format.name + "." + name,                                   \
                rv::fp(rv::fp_from_int, format.fmt, 0, rd, rs1, from),                             \
                true,                                                                              \
                false,                                                                             \
                true,                                                                              \
                64,                                                                                \
                format.width,                                                                      \
                [function](const Case &c) -> uint64_t { return function(c.a).v; }};                \
    }
ARITHMETIC_OF(f16, float16_t, half)
ARITHMETIC_OF(f32, float32_t, single)
ARITHMETIC_OF(f64, float64_t, dbl)

Operation between(const Format &from, const Format &to,
                  std::function<uint64_t(uint64_t)> function) {
    return {std::string("fcvt.") + to.name + "." + from.name,
            rv::fp(rv::fp_convert, to.fmt, 0, rd, rs1, from.fmt),
            false,
            false,
            true,
            from.width,
            to.width,
            [function](const Case &c) { return function(c.a); }};
}

TEST(SimtTestFloat, PairsOfHalves) {
    const Cases cases = two_f16();
    for (const Operation &op : pairs_of_f16())
        compare_all_ways(op, cases);
}
TEST(SimtTestFloat, PairsOfSingles) {
    const Cases cases = two_f32();
    for (const Operation &op : pairs_of_f32())
        compare_all_ways(op, cases);
}
TEST(SimtTestFloat, PairsOfDoubles) {
    const Cases cases = two_f64();
    for (const Operation &op : pairs_of_f64())
        compare_all_ways(op, cases);
}

TEST(SimtTestFloat, FusedHalves) {
    const Cases cases = three_f16(step_of_fused());
    for (const Operation &op : fused_of_f16())
        compare_all_ways(op, cases);
}
TEST(SimtTestFloat, FusedSingles) {
    const Cases cases = three_f32(step_of_fused());
    for (const Operation &op : fused_of_f32())
        compare_all_ways(op, cases);
}
TEST(SimtTestFloat, FusedDoubles) {
    const Cases cases = three_f64(step_of_fused());
    for (const Operation &op : fused_of_f64())
        compare_all_ways(op, cases);
}

TEST(SimtTestFloat, RootsAndConversionsToIntegers) {
    const Cases halves = one_f16(), singles = one_f32(), doubles = one_f64();
    for (const Operation &op : single_operand_of_f16())
        compare_all_ways(op, halves);
    for (const Operation &op : single_operand_of_f32())
        compare_all_ways(op, singles);
    for (const Operation &op : single_operand_of_f64())
        compare_all_ways(op, doubles);
}

TEST(SimtTestFloat, ConversionsFromIntegers) {
    // Upper halves of words are not looked at.
    const auto words = [](uint64_t a) { return a ^ 0x5a5a5a5a00000000; };
    Cases i32 = CASES_1(i32, static_cast<uint32_t>(genCases_i32_a));
    Cases ui32 = CASES_1(ui32, genCases_ui32_a);
    for (Cases *cases : {&i32, &ui32})
        for (Case &c : *cases)
            c.a = words(c.a);
    const Cases i64 = CASES_1(i64, genCases_i64_a), ui64 = CASES_1(ui64, genCases_ui64_a);
    const auto all = [&](auto make, auto from_i32, auto from_ui32, auto from_i64, auto from_ui64) {
        compare_all_ways(
            make("w", 0, [=](uint64_t a) { return from_i32(static_cast<int32_t>(a)); }), i32);
        compare_all_ways(
            make("wu", 1, [=](uint64_t a) { return from_ui32(static_cast<uint32_t>(a)); }), ui32);
        compare_all_ways(
            make("l", 2, [=](uint64_t a) { return from_i64(static_cast<int64_t>(a)); }), i64);
        compare_all_ways(make("lu", 3, [=](uint64_t a) { return from_ui64(a); }), ui64);
    };
    all(from_integer_to_f16, i32_to_f16, ui32_to_f16, i64_to_f16, ui64_to_f16);
    all(from_integer_to_f32, i32_to_f32, ui32_to_f32, i64_to_f32, ui64_to_f32);
    all(from_integer_to_f64, i32_to_f64, ui32_to_f64, i64_to_f64, ui64_to_f64);
}

TEST(SimtTestFloat, ConversionsBetweenFormats) {
    const Cases halves = one_f16(), singles = one_f32(), doubles = one_f64();
    const auto as = [](auto function) {
        return [function](uint64_t a) -> uint64_t { return function(a).v; };
    };
    compare_all_ways(between(half, single, as([](uint64_t a) { return f16_to_f32(make_f16(a)); })),
                     halves);
    compare_all_ways(between(half, dbl, as([](uint64_t a) { return f16_to_f64(make_f16(a)); })),
                     halves);
    compare_all_ways(between(single, half, as([](uint64_t a) { return f32_to_f16(make_f32(a)); })),
                     singles);
    compare_all_ways(between(single, dbl, as([](uint64_t a) { return f32_to_f64(make_f32(a)); })),
                     singles);
    compare_all_ways(between(dbl, half, as([](uint64_t a) { return f64_to_f16(make_f64(a)); })),
                     doubles);
    compare_all_ways(between(dbl, single, as([](uint64_t a) { return f64_to_f32(make_f64(a)); })),
                     doubles);
}

} // namespace
} // namespace brgpu::simt::test
