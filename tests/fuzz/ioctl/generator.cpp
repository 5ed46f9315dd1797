// SPDX-License-Identifier: MIT
#include "generator.hpp"

#include <cstring>
#include <stdexcept>
#include <sys/mman.h>

namespace brgpu::fuzz {

std::uint64_t Random::next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void Pool::put(std::size_t resource, std::uint64_t value) {
    const std::lock_guard lock(mutex_);
    auto &values = values_[resource];
    if (values.size() == kept)
        values.erase(values.begin());
    values.push_back(value);
}

std::uint64_t Pool::pick(std::size_t resource, Random &random) {
    const std::lock_guard lock(mutex_);
    const auto &values = values_[resource];
    if (values.empty())
        return 0;
    // The newest most often: it is the likeliest to be alive.
    const auto back = std::min(random.below(values.size()), random.below(values.size()));
    return values[values.size() - 1 - back];
}

Arena::Arena() {
    void *memory =
        mmap(nullptr, bytes + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        throw std::runtime_error("no memory for arguments");
    memory_ = static_cast<std::byte *>(memory);
    mprotect(memory_ + bytes, page, PROT_NONE);
    mprotect(memory_ + bytes + page, page, PROT_READ);
}

Arena::~Arena() {
    munmap(memory_, bytes + 2 * page);
}

std::byte *Arena::take(std::size_t size) {
    const std::size_t rounded = (size + 15) / 16 * 16;
    if (rounded > bytes - used_)
        return nullptr;
    std::byte *start = memory_ + used_;
    std::memset(start, 0, rounded);
    used_ += rounded;
    return start;
}

std::uint64_t Arena::wild(Random &random) const {
    const auto base = reinterpret_cast<std::uint64_t>(memory_);
    const std::array<std::uint64_t, 12> addresses = {
        0,
        1,
        base + bytes - 4, // its end can't be read
        base + bytes - 8,
        base + bytes,        // none of it can be read
        base + bytes + page, // can be read, not written
        base + bytes + page - 8,
        base + random.below(bytes), // misaligned
        0xffff888000000000u,        // the kernel's
        0xffffffffffffffffu,
        0x0000800000000000u, // not canonical
        0x00007ffffffffff0u, // wraps out of user space
    };
    return addresses[random.below(addresses.size())];
}

std::uint64_t Arena::pages(Random &random) const {
    return reinterpret_cast<std::uint64_t>(memory_) + random.below(bytes / page + 2) * page;
}

void Arena::disturb(Random &random) {
    if (used_ < 8)
        return;
    std::byte *at = memory_ + random.below(used_ / 4) * 4;
    std::uint32_t word;
    std::memcpy(&word, at, sizeof word);
    switch (random.below(3)) {
    case 0:
        word ^= std::uint32_t{1} << random.below(32);
        break;
    case 1:
        word = static_cast<std::uint32_t>(random.next());
        break;
    default:
        word = 0;
    }
    std::memcpy(at, &word, sizeof word);
}

namespace {

std::uint64_t odd_number(Random &random) {
    switch (random.below(6)) {
    case 0:
        return 0;
    case 1:
        return ~std::uint64_t{0};
    case 2:
        return std::uint64_t{1} << random.below(64);
    case 3:
        return (std::uint64_t{1} << random.below(64)) - 1;
    case 4:
        return random.below(256);
    default:
        return random.next();
    }
}

class Generator {
  public:
    Generator(Arena &arena, Pool &pool, Random &random, std::uint64_t mistakes)
        : arena_(arena), pool_(pool), random_(random), mistakes_(mistakes) {}

    void fill(const Type &type, std::byte *at) {
        switch (type.kind) {
        case Type::Kind::Struct:
            fill_struct(type, at);
            return;
        case Type::Kind::Union:
            fill(*type.fields[random_.below(type.fields.size())].type, at);
            return;
        case Type::Kind::Array:
            for (std::uint64_t i = 0; i < type.high; i++)
                fill(*type.element, at + i * type.element->size());
            return;
        case Type::Kind::Pointer:
            lengths_ = 0;
            store(at, 8, pointer(type));
            return;
        default:
            store(at, type.bytes, mistake() ? odd_number(random_) : scalar(type));
        }
    }

  private:
    bool mistake() { return mistakes_ != 0 && random_.one_in(mistakes_); }

    static void store(std::byte *at, unsigned bytes, std::uint64_t value) {
        std::memcpy(at, &value, bytes); // little-endian, as the card's hosts are
    }

    std::uint64_t scalar(const Type &type) {
        switch (type.kind) {
        case Type::Kind::Constant:
            return type.values[0];
        case Type::Kind::Flags: {
            std::uint64_t value = type.values[random_.below(type.values.size())];
            for (unsigned more = 0; more < 2 && random_.one_in(3); more++)
                value |= type.values[random_.below(type.values.size())];
            return value;
        }
        case Type::Kind::Memory:
            return arena_.pages(random_);
        case Type::Kind::Resource:
            if (type.optional && random_.one_in(3))
                return 0;
            return pool_.pick(type.resource, random_);
        default:
            if (type.ranged)
                return type.low + random_.below(type.high - type.low + 1);
            return random_.one_in(2) ? random_.below(4) : odd_number(random_);
        }
    }

    std::uint64_t pointer(const Type &type) {
        if (mistake())
            return arena_.wild(random_);
        const Type &element = *type.element;
        std::uint64_t count = 1;
        if (element.kind == Type::Kind::Array)
            count = element.low + random_.below(element.high - element.low + 1);
        const Type &item = element.kind == Type::Kind::Array ? *element.element : element;
        std::byte *memory = arena_.take(count * item.size());
        if (!memory)
            return arena_.wild(random_);
        lengths_ = count;
        if (!type.element_out) {
            for (std::uint64_t i = 0; i < count; i++)
                fill(item, memory + i * item.size());
            lengths_ = count;
        }
        return reinterpret_cast<std::uint64_t>(memory);
    }

    void fill_struct(const Type &type, std::byte *at) {
        std::map<std::string, std::uint64_t> counts;
        for (const auto &field : type.fields) {
            // What the kernel only writes may hold anything.
            if (field.out) {
                if (mistake())
                    store(at + field.offset, field.type->bytes ? field.type->bytes : 1,
                          random_.next());
                continue;
            }
            if (field.type->kind == Type::Kind::Length)
                continue;
            fill(*field.type, at + field.offset);
            if (field.type->kind == Type::Kind::Pointer)
                counts[field.name] = lengths_;
        }
        for (const auto &field : type.fields) {
            if (field.type->kind == Type::Kind::Length)
                store(at + field.offset, field.type->bytes,
                      mistake() ? odd_number(random_) : counts[field.type->target]);
        }
    }

    Arena &arena_;
    Pool &pool_;
    Random &random_;
    std::uint64_t mistakes_;
    std::uint64_t lengths_ = 0; // elements behind the pointer that was filled last
};

} // namespace

std::byte *generate(const Type &type, Arena &arena, Pool &pool, Random &random,
                    std::uint64_t mistakes) {
    std::byte *argument = arena.take(type.size());
    if (argument)
        Generator(arena, pool, random, mistakes).fill(type, argument);
    return argument;
}

void harvest(const Type &type, const std::byte *argument, Pool &pool) {
    for (const auto &field : type.fields) {
        if (!field.out || field.type->kind != Type::Kind::Resource)
            continue;
        std::uint64_t value = 0;
        std::memcpy(&value, argument + field.offset, field.type->bytes);
        pool.put(field.type->resource, value);
    }
}

} // namespace brgpu::fuzz
