// SPDX-License-Identifier: MIT
//
// One short piece of code for every instruction and rounding mode. Operands: a1, a2, a3 and the
// same bits in fa1, fa2, fa3; a4 points at 16 bytes of memory that hold a1 and a2, aligned to 16.
// Results: a0, fa0 and the memory. s-registers, ra, sp, gp and tp stay as they are.
#ifndef BRGPU_TESTS_SIMT_VARIANTS_HPP
#define BRGPU_TESTS_SIMT_VARIANTS_HPP

#include <string>
#include <vector>

namespace brgpu::simt::test {

inline std::vector<std::string> instruction_variants() {
    std::vector<std::string> all;
    const auto add = [&](const std::string &text) { all.push_back(text); };

    for (const char *op :
         {"add",       "sub",       "sll",       "slt",   "sltu",   "xor",    "srl",    "sra",
          "or",        "and",       "addw",      "subw",  "sllw",   "srlw",   "sraw",   "mul",
          "mulh",      "mulhsu",    "mulhu",     "div",   "divu",   "rem",    "remu",   "mulw",
          "divw",      "divuw",     "remw",      "remuw", "add.uw", "sh1add", "sh2add", "sh3add",
          "sh1add.uw", "sh2add.uw", "sh3add.uw", "andn",  "orn",    "xnor",   "max",    "maxu",
          "min",       "minu",      "rol",       "rolw",  "ror",    "rorw"}) {
        add(std::string(op) + " a0, a1, a2");
        add(std::string(op) + " a0, a2, a3");
    }
    for (const char *op : {"addi", "slti", "sltiu", "xori", "ori", "andi", "addiw"})
        for (const char *imm : {"0", "1", "-1", "2047", "-2048", "291"})
            add(std::string(op) + " a0, a1, " + imm);
    for (const char *op : {"slli", "srli", "srai", "slli.uw", "rori"})
        for (const char *imm : {"0", "1", "31", "32", "63"})
            add(std::string(op) + " a0, a1, " + imm);
    for (const char *op : {"slliw", "srliw", "sraiw", "roriw"})
        for (const char *imm : {"0", "1", "16", "31"})
            add(std::string(op) + " a0, a1, " + imm);
    for (const char *op :
         {"clz", "clzw", "ctz", "cpop", "cpopw", "sext.b", "sext.h", "zext.h", "orc.b", "rev8"})
        add(std::string(op) + " a0, a1");
    // QEMU 7.2's ctzw looks at the upper half of its operand; the test of the engine alone is
    // SimtBasic.CountsTrailingZerosOfWords.
    add("zext.w t0, a1\n ctzw a0, t0");
    add("lui a0, 0x80000");
    add("lui a0, 0x12345");
    for (const char *op : {"beq", "bne", "blt", "bge", "bltu", "bgeu"}) {
        add(std::string(op) + " a1, a2, 1f\n li a0, 5\n1:");
        add(std::string(op) + " a1, a1, 1f\n li a0, 5\n1:");
    }
    add("beqz a1, 1f\n addi a0, a0, 1\n bgez a1, 2f\n addi a0, a0, 2\n1: addi a0, a0, 4\n2:");
    add("jal t0, 1f\n li a0, 3\n j 2f\n1: addi a0, zero, 9\n jr t0\n2:");

    for (const char *op : {"lb", "lh", "lw", "ld", "lbu", "lhu", "lwu"})
        for (const char *offset : {"0", "1", "3", "8"}) {
            if (std::string(op) == "ld" && std::string(offset) != "0" && std::string(offset) != "8")
                continue; // stays inside the 16 bytes
            add(std::string(op) + " a0, " + offset + "(a4)");
        }
    for (const char *op : {"sb", "sh", "sw", "sd"})
        for (const char *offset : {"0", "1", "5", "8"})
            add(std::string(op) + " a3, " + offset + "(a4)");
    for (const char *op : {"flh", "flw", "fld"})
        for (const char *offset : {"0", "3", "8"})
            add(std::string(op) + " fa0, " + offset + "(a4)");
    for (const char *op : {"fsh", "fsw", "fsd"})
        for (const char *offset : {"0", "3", "8"})
            add(std::string(op) + " fa3, " + offset + "(a4)");
    for (const char *op : {"amoswap", "amoadd", "amoxor", "amoand", "amoor", "amomin", "amomax",
                           "amominu", "amomaxu"})
        for (const char *width : {".w", ".d", ".w.aqrl", ".d.aq"})
            add(std::string(op) + width + " a0, a3, (a4)");
    for (const char *width : {".w", ".d"}) {
        const std::string w = width;
        add("lr" + w + " a0, (a4)\n sc" + w + " t0, a3, (a4)\n xor a0, a0, t0");
        add("sc" + w + " a0, a3, (a4)");
        add("lr" + w + " a0, (a4)\n addi t1, a4, 8\n sc" + w + " a0, a3, (t1)");
    }
    add("fence\n fence rw, w\n fence.i\n mv a0, a1");

    // Compressed forms that the assembler would not choose by itself here.
    for (const char *text : {"mv a0, a1\n c.addi a0, -7",
                             "mv a0, a1\n c.addiw a0, 31",
                             "c.li a0, -32",
                             "c.lui a0, 0xfffe1",
                             "c.lui a0, 31",
                             "mv a0, a1\n c.slli a0, 33",
                             "mv a0, a1\n c.srli a0, 33",
                             "mv a0, a1\n c.srai a0, 63",
                             "mv a0, a1\n c.andi a0, -5",
                             "mv a0, a1\n c.sub a0, a2",
                             "mv a0, a1\n c.xor a0, a2",
                             "mv a0, a1\n c.or a0, a2",
                             "mv a0, a1\n c.and a0, a2",
                             "mv a0, a1\n c.subw a0, a2",
                             "mv a0, a1\n c.addw a0, a2",
                             "c.mv a0, a2",
                             "mv a0, a1\n c.add a0, a3",
                             "c.lw a0, 4(a4)",
                             "c.ld a0, 8(a4)",
                             "c.sw a3, 12(a4)",
                             "c.sd a3, 8(a4)",
                             "c.fld fa0, 8(a4)",
                             "c.fsd fa3, 0(a4)",
                             "c.j 1f\n li a0, 1\n1:",
                             "mv a0, a1\n c.beqz a0, 1f\n c.li a0, 1\n1:",
                             "mv a0, a1\n c.bnez a0, 1f\n c.li a0, 1\n1:",
                             "mv t2, sp\n mv sp, a4\n c.lwsp a0, 4(sp)\n mv sp, t2",
                             "mv t2, sp\n mv sp, a4\n c.ldsp a0, 8(sp)\n mv sp, t2",
                             "mv t2, sp\n mv sp, a4\n c.fldsp fa0, 8(sp)\n mv sp, t2",
                             "mv t2, sp\n mv sp, a4\n c.swsp a3, 4(sp)\n mv sp, t2",
                             "mv t2, sp\n mv sp, a4\n c.sdsp a3, 0(sp)\n mv sp, t2",
                             "mv t2, sp\n mv sp, a4\n c.fsdsp fa3, 8(sp)\n mv sp, t2",
                             "mv t2, sp\n mv sp, a1\n c.addi16sp sp, -496\n mv a0, sp\n mv sp, t2",
                             "mv t2, sp\n mv sp, a1\n c.addi4spn a0, sp, 1020\n mv sp, t2",
                             "mv t2, ra\n la t0, 1f\n c.jalr t0\n li a0, 4\n1: mv ra, t2",
                             "la t0, 1f\n c.jr t0\n1:"})
        add(text);

    const char *modes[] = {"rne", "rtz", "rdn", "rup", "rmm"};
    const auto add_rounded = [&](const std::string &text) {
        for (const char *mode : modes)
            add(text + ", " + mode);
        for (const char *frm : {"1", "2", "3", "4"})
            add("fsrmi t3, " + std::string(frm) + "\n" + text + ", dyn\n fsrm t3");
        add(text); // dynamic, frm as it is
    };
    for (const std::string f : {".h", ".s", ".d"}) {
        for (const char *op : {"fadd", "fsub", "fmul", "fdiv"})
            add_rounded(op + f + " fa0, fa1, fa2");
        add_rounded("fsqrt" + f + " fa0, fa1");
        for (const char *op : {"fmadd", "fmsub", "fnmsub", "fnmadd"})
            add_rounded(op + f + " fa0, fa1, fa2, fa3");
        for (const char *op : {"fsgnj", "fsgnjn", "fsgnjx", "fmin", "fmax"})
            add(op + f + " fa0, fa1, fa2");
        for (const char *op : {"feq", "flt", "fle"})
            add(op + f + " a0, fa1, fa2");
        add("fclass" + f + " a0, fa1");
        for (const char *to : {"w", "wu", "l", "lu"}) {
            add_rounded("fcvt." + std::string(to) + f + " a0, fa1");
            if (f == ".d" && std::string(to)[0] == 'w') {
                add("fcvt.d." + std::string(to) + " fa0, a1"); // exact: no rounding mode in asm
            } else {
                add_rounded("fcvt" + f + "." + to + " fa0, a1");
            }
        }
    }
    for (const char *op : {"fcvt.h.s", "fcvt.h.d", "fcvt.s.d"})
        add_rounded(std::string(op) + " fa0, fa1");
    for (const char *op : {"fcvt.s.h", "fcvt.d.h", "fcvt.d.s"})
        add(std::string(op) + " fa0, fa1");
    for (const char *op : {"fmv.x.h", "fmv.x.w", "fmv.x.d"})
        add(std::string(op) + " a0, fa1");
    for (const char *op : {"fmv.h.x", "fmv.w.x", "fmv.d.x"})
        add(std::string(op) + " fa0, a1");
    return all;
}

} // namespace brgpu::simt::test

#endif
