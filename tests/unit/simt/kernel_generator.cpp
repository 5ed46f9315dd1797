// SPDX-License-Identifier: MIT
#include "kernel_generator.hpp"

#include "kernel_builder.hpp"

namespace brgpu::simt::test {
namespace {

constexpr int32_t frame_bytes = 512, frame_data = 256, ra_at = frame_bytes - 8;
constexpr uint32_t functions = 4;

class Generator : public KernelBuilder {
  public:
    using KernelBuilder::KernelBuilder;

    GeneratedKernel run() {
        current_ = new_block();
        prologue();
        epilogue_ = new_block();
        // The functions are made first, so that calls know them; each calls only those that were
        // made before it.
        const uint32_t entry = current_;
        for (uint32_t i = 0; i < functions; ++i)
            make_function(i);
        current_ = entry;
        depth_ = 0;
        convergent_ = !options_.plain;
        body(options_.statements);
        GeneratedKernel result;
        if (options_.fault)
            result.faulting_item = fault();
        end_jump(epilogue_);
        epilogue();
        result.code = lay_out(blocks_, {options_.permute, true}, random_);
        result.statements = ordinal_;
        return result;
    }

  private:
    void prologue() {
        put(options_.plain ? rv::addi(item_id, 11, 0)
                           : rv::csr(2, item_id, BRGPU_CSR_GLOBAL_LINEAR_ID, rv::zero));
        put(rv::lui(slot_base, space::slots >> 12));
        put(rv::slli(rv::t1, item_id, 10));
        put(rv::add(slot_base, slot_base, rv::t1));
        put(rv::lui(table_base, space::table >> 12));
        put(rv::lui(row4_base, space::rows4 >> 12));
        put(rv::shadd(2, row4_base, item_id, row4_base));
        put(rv::lui(row8_base, space::rows8 >> 12));
        put(rv::shadd(3, row8_base, item_id, row8_base));
        put(rv::addi(rv::sp, rv::sp, -frame_bytes));
        put(rv::sd(rv::ra, rv::sp, ra_at));
        if (options_.exact)
            put(rv::csr(1, rv::zero, rv::csr_fflags, rv::zero));
        // Some registers are the same in all lanes, some affine in the id.
        for (uint32_t i = 0; i < data_regs.size(); ++i) {
            const Reg r = data_regs[i];
            const uint32_t number = pick(200), shift = 1 + pick(3);
            if (i % 4 == 0)
                put(rv::ld(r, table_base, static_cast<int32_t>(number * 8)));
            else if (i % 4 == 1)
                put(rv::shadd(shift, r, item_id, number % 2 ? item_id : rv::zero));
            else
                put(rv::ld(r, slot_base, static_cast<int32_t>(i * 8)));
        }
        if (!options_.floating)
            return;
        for (uint32_t f = 0; f < 32; ++f) {
            const uint32_t width = f < 12 ? 2 : f < 20 ? 3 : f < 28 ? 1 : 1 + pick(3);
            if (one_in(3)) {
                put(rv::addi(rv::t1, table_base, 2047));
                put(rv::load_fp(width, f, rv::t1, moderate(width)));
            } else {
                put(rv::load_fp(width, f, slot_base, static_cast<int32_t>(128 + f * 8)));
            }
        }
    }

    // Shows all registers and returns.
    void epilogue() {
        current_ = epilogue_;
        put(rv::lui(rv::t0, space::dump >> 12));
        put(rv::slli(rv::t1, item_id, 9));
        put(rv::add(rv::t0, rv::t0, rv::t1));
        int32_t at = 0;
        for (const Reg r : data_regs) {
            put(rv::sd(r, rv::t0, at));
            at += 8;
        }
        if (options_.floating)
            for (Reg f = 0; f < 32; ++f, at += 8)
                put(rv::store_fp(3, f, rv::t0, at));
        if (options_.exact) {
            put(rv::csr(2, rv::t1, rv::csr_fcsr, rv::zero));
            put(rv::sd(rv::t1, rv::t0, at));
        }
        put(rv::ld(rv::ra, rv::sp, ra_at));
        put(rv::addi(rv::sp, rv::sp, frame_bytes));
        put(rv::jalr(rv::zero, rv::ra, 0));
    }

    uint32_t fault() {
        const uint32_t victim = pick(options_.items), kind = pick(6);
        const Reg value = data();
        const uint32_t bad = new_block(), good = new_block();
        put(rv::addi(rv::t0, rv::zero, static_cast<int32_t>(victim)));
        end_branch(0, item_id, rv::t0, bad, good);
        current_ = bad;
        straight();
        switch (kind) {
        case 0:
            put(rv::control(BRGPU_CTL_TRAP, value));
            break;
        case 1:
            put(0xffffffff);
            break;
        case 2:
            put(rv::lui(rv::t0, 0x7ffff));
            put(rv::ld(value, rv::t0, 16));
            break;
        case 3:
            put(rv::lui(rv::t0, 0x7fff0));
            put(rv::sd(value, rv::t0, -16));
            break;
        case 4:
            put(rv::addi(rv::t0, slot_base, 2));
            put(rv::amo(rv::amo_add, 2, rv::t1, rv::t0, rv::t1));
            break;
        default:
            put(0x00000073); // ecall
            break;
        }
        end_jump(good);
        current_ = good;
        return victim;
    }

    void make_function(uint32_t index) {
        current_ = new_block();
        function_blocks_[index] = current_;
        known_functions_ = index;
        depth_ = 2;
        convergent_ = false;
        in_function_ = true;
        constexpr int32_t bytes = 48;
        put(rv::addi(rv::sp, rv::sp, -bytes));
        put(rv::sd(rv::ra, rv::sp, bytes - 8));
        put(rv::sd(first_counter + 2, rv::sp, bytes - 16));
        put(rv::sd(first_counter + 3, rv::sp, bytes - 24));
        body(3);
        if (index + 1 == functions) { // recursion, as deep as x22 says
            const uint32_t again = new_block(), done = new_block();
            end_branch(0, recursion, rv::zero, done, again);
            current_ = again;
            put(rv::addi(recursion, recursion, -1));
            put(Kind::call, rv::ra, function_blocks_[index]);
            straight();
            end_jump(done);
            current_ = done;
        }
        put(rv::ld(rv::ra, rv::sp, bytes - 8));
        put(rv::ld(first_counter + 2, rv::sp, bytes - 16));
        put(rv::ld(first_counter + 3, rv::sp, bytes - 24));
        put(rv::addi(rv::sp, rv::sp, bytes));
        put(rv::jalr(rv::zero, rv::ra, 0));
        known_functions_ = index + 1;
        in_function_ = false;
    }

    // ---- statements ----

    void body(uint32_t count) {
        for (uint32_t i = 0; i < count; ++i)
            statement();
    }

    // A statement that is left out is made all the same, so that the others stay what they are.
    void statement() {
        const bool skipped = options_.skip.count(ordinal_++) != 0;
        const uint32_t at = current_;
        const size_t count = blocks_.size(), items = block().items.size();
        make_statement();
        if (skipped) {
            blocks_.resize(count);
            current_ = at;
            block().items.resize(items);
            block().end = End::leave;
            block().targets.clear();
        }
    }

    void make_statement() {
        const bool nest = depth_ < (in_function_ ? 4u : 2u);
        if (convergent_ && one_in(4))
            return rendezvous();
        switch (pick(nest ? 16 : 8)) {
        default:
            return straight();
        case 4:
        case 5:
            return own_memory();
        case 6:
            return table_read();
        case 7:
            return one_in(2) ? stack_memory() : atomics();
        case 8:
        case 9:
        case 10:
            return branch();
        case 11:
        case 12:
            return loop();
        case 13:
            return jump_table();
        case 14:
            return one_in(2) ? irreducible() : leave_early();
        case 15:
            return call();
        }
    }

    // One level deeper, where lanes may go different ways: no rendezvous of all inside.
    template <class Body>
    void divergent(Body &&inside) {
        const bool before = convergent_;
        convergent_ = false;
        ++depth_;
        inside();
        --depth_;
        convergent_ = before;
    }

    void branch() {
        const uint32_t then = new_block(), otherwise = new_block(), join = new_block();
        const bool has_else = one_in(2);
        const uint32_t how = condition();
        const Reg a = data(), b = source();
        end_branch(how, a, b, then, has_else ? otherwise : join);
        divergent([&] {
            current_ = then;
            body(1 + pick(3));
            end_jump(join);
            current_ = otherwise;
            if (has_else)
                body(1 + pick(3));
            end_jump(join);
        });
        current_ = join;
    }

    // Counts down to zero: a number of turns that all lanes share, or each has its own.
    void loop() {
        const Reg counter = first_counter + depth_;
        const bool uniform = one_in(2), test_first = !uniform || one_in(2);
        if (uniform)
            put(rv::addi(counter, rv::zero, static_cast<int32_t>(1 + pick(in_function_ ? 2 : 4))));
        else
            put(rv::andi(counter, data(), in_function_ ? 3 : 7));
        const uint32_t head = new_block(), inside = new_block(), next = new_block(),
                       done = new_block();
        end_jump(test_first ? head : inside);
        current_ = head;
        end_branch(0, counter, rv::zero, done, inside);
        const auto make_body = [&] {
            current_ = inside;
            body(1 + pick(3));
            if (!uniform && one_in(3)) { // break or continue, for some
                const uint32_t rest = new_block(), to = one_in(2) ? done : next;
                const uint32_t how = condition();
                const Reg a = data(), b = data();
                end_branch(how, a, b, to, rest);
                current_ = rest;
                straight();
            }
            end_jump(next);
        };
        if (uniform) {
            ++depth_;
            make_body();
            --depth_;
        } else {
            divergent(make_body);
        }
        current_ = next;
        put(rv::addi(counter, counter, -1));
        if (test_first)
            end_jump(head);
        else
            end_branch(1, counter, rv::zero, inside, done);
        current_ = done;
    }

    void jump_table() {
        const uint32_t ways = 2u << pick(2);
        put(rv::andi(rv::t2, data(), static_cast<int32_t>(ways - 1)));
        std::vector<uint32_t> targets;
        for (uint32_t i = 0; i < ways; ++i)
            targets.push_back(i && one_in(4) ? targets[pick(i)] : new_block());
        block().end = End::table;
        block().rs1 = rv::t2;
        block().targets = targets;
        const uint32_t join = new_block();
        divergent([&] {
            for (uint32_t i = 0; i < ways; ++i) {
                if (!blocks_[targets[i]].items.empty())
                    continue; // two entries, one block
                current_ = targets[i];
                put(rv::addi(data_regs[i], data_regs[i], static_cast<int32_t>(i) + 1));
                if (one_in(3))
                    body(1);
                // Some fall into the next case, as in C.
                const bool falls =
                    i + 1 < ways && one_in(4) && blocks_[targets[i + 1]].items.empty();
                end_jump(falls ? targets[i + 1] : join);
            }
        });
        current_ = join;
    }

    // A loop that is entered in two places.
    void irreducible() {
        const Reg counter = first_counter + depth_;
        const uint32_t first = new_block(), second = new_block(), done = new_block();
        put(rv::andi(counter, data(), 7));
        put(rv::addi(counter, counter, 2));
        const uint32_t how = condition();
        const Reg a = data(), b = source();
        end_branch(how, a, b, first, second);
        divergent([&] {
            current_ = first;
            body(1);
            put(rv::addi(counter, counter, -1));
            end_branch(4, rv::zero, counter, second, done); // 0 < counter
            current_ = second;
            body(1);
            put(rv::addi(counter, counter, -1));
            end_branch(4, rv::zero, counter, first, done);
        });
        current_ = done;
    }

    void leave_early() {
        // There is no way out of a function that keeps the stack.
        if (in_function_)
            return straight();
        const uint32_t rest = new_block();
        put(rv::andi(rv::t2, data(), 31));
        put(rv::addi(rv::t1, rv::zero, static_cast<int32_t>(pick(32))));
        if (!options_.plain && one_in(3)) {
            const uint32_t out = new_block();
            end_branch(0, rv::t1, rv::t2, out, rest);
            current_ = out;
            put(rv::control(BRGPU_CTL_EXIT));
        } else {
            end_branch(0, rv::t1, rv::t2, epilogue_, rest);
        }
        current_ = rest;
    }

    void call() {
        if (known_functions_ == 0 || (in_function_ && depth_ > 2))
            return straight();
        const uint32_t index = pick(known_functions_);
        if (index + 1 == functions)
            put(rv::andi(recursion, data(), 3));
        if (one_in(3))
            put(Kind::call_by_reg, rv::t2, function_blocks_[index]);
        else
            put(Kind::call, rv::ra, function_blocks_[index]);
    }

    void stack_memory() {
        if (in_function_) {
            put(rv::sd(source(), rv::sp, 0));
            straight();
            put(rv::ld(data(), rv::sp, 0));
            return;
        }
        const uint32_t width = pick(4);
        if (one_in(2))
            return element(width, rv::sp, static_cast<int32_t>(pick(frame_data - 8)));
        const Reg index = data();
        put(rv::andi(rv::t0, index, one_in(3) ? 0x77 : 0x78));
        put(rv::add(rv::t0, rv::t0, rv::sp));
        element(width, rv::t0, static_cast<int32_t>(pick(14) * 8));
    }

    // ---- where lanes meet ----

    void rendezvous() {
        const uint32_t kind = pick(4);
        const Reg rd = data(), value = source();
        switch (pick(9)) {
        case 0:
        case 1: {
            const Reg lane = lane_operand();
            return put(rv::shuffle(kind, rd, value, lane, rv::zero));
        }
        case 2:
            return put(rv::vote(kind, rd, value, rv::zero));
        case 3:
            put(rv::control(kind < 2    ? BRGPU_CTL_WARP_SYNC
                            : kind == 2 ? BRGPU_CTL_YIELD
                                        : BRGPU_CTL_PROGRESS));
            if (one_in(4))
                put(one_in(2) ? rv::fence : rv::fence_i);
            return;
        case 4:
            return identity(rd);
        case 5:
            return masked();
        default:
            return exchange();
        }
    }

    // A register with the number of a lane, mostly in range.
    Reg lane_operand() {
        if (one_in(8))
            return source();
        put(rv::andi(rv::t2, one_in(2) ? data() : rv::zero, 31));
        if (one_in(2))
            put(rv::addi(rv::t2, rv::t2, static_cast<int32_t>(pick(32))));
        return rv::t2;
    }

    void identity(Reg rd) {
        put(rv::csr(
            2, rd,
            any_of({BRGPU_CSR_LOCAL_ID, BRGPU_CSR_GROUP_ID, BRGPU_CSR_LOCAL_SIZE,
                    BRGPU_CSR_GLOBAL_SIZE, BRGPU_CSR_GLOBAL_ID, BRGPU_CSR_LANE_ID,
                    BRGPU_CSR_WARP_ID, BRGPU_CSR_NUM_WARPS, BRGPU_CSR_WARP_SIZE,
                    BRGPU_CSR_LOCAL_LINEAR_ID, BRGPU_CSR_LOCAL_BYTES, BRGPU_CSR_NUM_GROUPS}),
            rv::zero));
    }

    // Lanes that vote for it meet in an arm of their own, under the mask of the vote.
    void masked() {
        const Reg chosen = data();
        put(rv::andi(rv::t2, chosen, 1 << pick(4)));
        put(rv::vote(BRGPU_VOTE_BALLOT, lane_mask, rv::t2, rv::zero));
        const uint32_t inside = new_block(), outside = new_block(), join = new_block();
        end_branch(1, rv::t2, rv::zero, inside, outside);
        const auto meet = [&](bool shuffles) {
            const uint32_t kind = pick(4);
            const Reg rd = data(), value = source();
            if (shuffles) {
                const Reg lane = lane_operand();
                put(rv::shuffle(kind, rd, value, lane, lane_mask));
            } else {
                put(rv::vote(kind, rd, value, lane_mask));
            }
        };
        divergent([&] {
            current_ = inside;
            body(1);
            meet(true);
            if (one_in(2))
                meet(false);
            end_jump(join);
            current_ = outside;
            if (one_in(2)) {
                put(rv::i_type(rv::op_imm, 4, rv::t2, lane_mask, -1)); // xori: the others
                put(rv::r_type(rv::op_reg_32, 0, 4, lane_mask, rv::t2, rv::zero)); // zext.w
                meet(one_in(2));
            } else {
                body(1);
            }
            end_jump(join);
        });
        current_ = join;
    }

    // Everybody writes a slot of local memory, then reads another one's.
    void exchange() {
        const bool wide = one_in(2), is_unsigned = one_in(2);
        const Reg give = data(), index = data(), take = data();
        put(rv::csr(2, rv::t0, BRGPU_CSR_LOCAL_LINEAR_ID, rv::zero));
        put(rv::slli(rv::t0, rv::t0, 4));
        put(rv::add(rv::t0, rv::t0, rv::tp));
        put(wide ? rv::sd(give, rv::t0, 8) : rv::store(2, give, rv::t0, 4));
        put(rv::control(BRGPU_CTL_BARRIER));
        put(rv::andi(rv::t0, index, 0x7f));
        put(rv::slli(rv::t0, rv::t0, 4));
        put(rv::add(rv::t0, rv::t0, rv::tp));
        put(wide ? rv::ld(take, rv::t0, 8) : rv::load(2, is_unsigned, take, rv::t0, 4));
        if (one_in(3)) { // a word that others have added to
            put(rv::lui(rv::t1, local_slots * 16 >> 12));
            put(rv::add(rv::t1, rv::t1, rv::tp));
            put(rv::ld(take, rv::t1, static_cast<int32_t>(pick(128) * 8)));
        }
        put(rv::control(BRGPU_CTL_BARRIER));
    }

    uint32_t epilogue_ = 0;
    uint32_t function_blocks_[functions] = {};
    uint32_t known_functions_ = 0;
    uint32_t depth_ = 0;
    uint32_t ordinal_ = 0;
    bool in_function_ = false;
    bool convergent_ = false; // all live work-items of the workgroup come here together
};

} // namespace

GeneratedKernel generate_kernel(const KernelOptions &options) {
    return Generator(options).run();
}

} // namespace brgpu::simt::test
