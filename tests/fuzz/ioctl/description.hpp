// SPDX-License-Identifier: MIT
//
// The ioctls as brgpu_drm.txt describes them: as much of syzkaller's language as that file uses.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace brgpu::fuzz {

struct Field;

struct Type {
    enum class Kind {
        Integer,
        Constant,
        Flags,
        Length,
        Pointer,
        Memory,
        Array,
        Resource,
        Struct,
        Union
    };
    Kind kind = Kind::Integer;
    unsigned bytes = 0;              // of a scalar
    std::uint64_t low = 0, high = 0; // Integer with a range; Array: number of elements
    bool ranged = false;
    std::vector<std::uint64_t> values; // Constant: one; Flags: all
    std::string target;                // Length: of which field
    const Type *element = nullptr;     // Pointer, Array
    bool element_out = false;          // Pointer: the kernel writes there
    std::size_t resource = 0;          // index into Description::resources
    bool optional = false;             // Resource: may be none
    std::vector<Field> fields;         // Struct; Union: one of them

    /// Size in memory; arrays have their largest.
    std::size_t size() const;
};

struct Field {
    std::string name;
    const Type *type = nullptr;
    std::size_t offset = 0;
    bool out = false;
};

struct Call {
    std::string name;
    std::uint64_t request = 0;
    const Type *argument = nullptr; // Struct
};

class Description {
  public:
    /// `constants` is the text of the .const file. Throws std::runtime_error naming line and reason
    /// where a text is not understood, or a struct's size is not the one in its ioctl's number.
    Description(std::string_view text, std::string_view constants);
    Description(const Description &) = delete;
    Description &operator=(const Description &) = delete;

    const std::vector<Call> &calls() const { return calls_; }
    std::size_t resources() const { return resources_.size(); }
    /// Index of a resource; throws where there is none.
    std::size_t resource(const std::string &name) const;

  private:
    struct Expression {
        std::string name;
        std::vector<Expression> arguments;
    };
    static Expression parse_expression(std::string_view &text);
    std::uint64_t number(const std::string &text) const;
    const Type *resolve(const Expression &expression);
    const Type *structure(const std::string &name);
    Type *add(Type type);

    std::map<std::string, std::uint64_t> constants_;
    std::map<std::string, std::size_t> resources_;
    std::vector<unsigned> resource_bytes_;
    struct Lines {
        bool is_union = false;
        std::vector<std::string> fields;
    };
    std::map<std::string, Lines> struct_lines_;
    std::map<std::string, const Type *> structs_;
    std::map<std::string, std::vector<std::uint64_t>> flags_;
    std::deque<Type> types_;
    std::vector<Call> calls_;
};

} // namespace brgpu::fuzz
