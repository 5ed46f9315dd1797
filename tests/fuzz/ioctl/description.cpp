// SPDX-License-Identifier: MIT
#include "description.hpp"

#include <algorithm>
#include <sstream>
#include <stdexcept>
#include <sys/ioctl.h>

namespace brgpu::fuzz {

namespace {

[[noreturn]] void fail(const std::string &what) {
    throw std::runtime_error("description: " + what);
}

void skip_spaces(std::string_view &text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
        text.remove_prefix(1);
}

std::string take_word(std::string_view &text) {
    skip_spaces(text);
    std::size_t n = 0;
    while (n < text.size() && (std::isalnum(static_cast<unsigned char>(text[n])) ||
                               std::string_view("_$:").find(text[n]) != std::string_view::npos))
        n++;
    std::string word(text.substr(0, n));
    text.remove_prefix(n);
    return word;
}

/// Lines without comments and without spaces at their ends.
std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines;
    std::istringstream stream{std::string(text)};
    for (std::string line; std::getline(stream, line);) {
        line.erase(std::min(line.find('#'), line.size()));
        const auto last = line.find_last_not_of(" \t");
        line.erase(last == std::string::npos ? 0 : last + 1);
        if (!line.empty())
            lines.push_back(line);
    }
    return lines;
}

unsigned integer_bytes(const std::string &name) {
    if (name == "int8")
        return 1;
    if (name == "int16")
        return 2;
    if (name == "int32")
        return 4;
    return name == "int64" ? 8 : 0;
}

} // namespace

std::size_t Type::size() const {
    switch (kind) {
    case Kind::Array:
        return element->size() * high;
    case Kind::Union:
        return fields.empty() ? 0 : fields[0].type->size();
    case Kind::Struct:
        return fields.empty() ? 0 : fields.back().offset + fields.back().type->size();
    default:
        return bytes;
    }
}

Type *Description::add(Type type) {
    types_.push_back(std::move(type));
    return &types_.back();
}

std::uint64_t Description::number(const std::string &text) const {
    if (const auto found = constants_.find(text); found != constants_.end())
        return found->second;
    std::size_t used = 0;
    std::uint64_t value = 0;
    try {
        value = std::stoull(text, &used, 0);
    } catch (const std::exception &) {
        used = 0;
    }
    if (used == 0 || used != text.size())
        fail("'" + text + "' is no number and no constant of the .const file");
    return value;
}

std::size_t Description::resource(const std::string &name) const {
    const auto found = resources_.find(name);
    if (found == resources_.end())
        fail("no resource " + name);
    return found->second;
}

Description::Expression Description::parse_expression(std::string_view &text) {
    Expression expression{take_word(text), {}};
    skip_spaces(text);
    if (text.empty() || text.front() != '[')
        return expression;
    do {
        text.remove_prefix(1);
        skip_spaces(text);
        if (!text.empty() && text.front() == '"') {
            const auto end = text.find('"', 1);
            if (end == std::string_view::npos)
                fail("a string does not end");
            text.remove_prefix(end + 1);
            expression.arguments.push_back({"string", {}});
        } else {
            expression.arguments.push_back(parse_expression(text));
        }
        skip_spaces(text);
    } while (!text.empty() && text.front() == ',');
    if (text.empty() || text.front() != ']')
        fail("']' is missing after " + expression.name);
    text.remove_prefix(1);
    return expression;
}

const Type *Description::resolve(const Expression &expression) {
    const auto &name = expression.name;
    const auto &arguments = expression.arguments;
    const auto argument = [&](std::size_t i) -> const Expression & {
        if (i >= arguments.size())
            fail(name + " lacks an argument");
        return arguments[i];
    };
    const auto range = [&](const std::string &text, Type &type) {
        const auto colon = text.find(':');
        type.low = number(text.substr(0, colon));
        type.high = colon == std::string::npos ? type.low : number(text.substr(colon + 1));
        type.ranged = true;
    };

    Type type;
    if (const unsigned bytes = integer_bytes(name)) {
        type.bytes = bytes;
        if (!arguments.empty())
            range(arguments[0].name, type);
    } else if (name == "const") {
        type.kind = Type::Kind::Constant;
        type.values = {number(argument(0).name)};
        type.bytes = integer_bytes(argument(1).name);
    } else if (name == "flags") {
        type.kind = Type::Kind::Flags;
        const auto found = flags_.find(argument(0).name);
        if (found == flags_.end())
            fail("no list of values is called " + argument(0).name);
        type.values = found->second;
        type.bytes = integer_bytes(argument(1).name);
    } else if (name == "len") {
        type.kind = Type::Kind::Length;
        type.target = argument(0).name;
        type.bytes = integer_bytes(argument(1).name);
    } else if (name == "ptr" || name == "ptr64") {
        type.kind = Type::Kind::Pointer;
        type.element_out = argument(0).name == "out";
        type.element = resolve(argument(1));
        type.bytes = 8;
    } else if (name == "vma64") {
        type.kind = Type::Kind::Memory;
        type.bytes = 8;
    } else if (name == "array") {
        type.kind = Type::Kind::Array;
        type.element = resolve(argument(0));
        range(argument(1).name, type);
    } else if (const auto found = resources_.find(name); found != resources_.end()) {
        type.kind = Type::Kind::Resource;
        type.resource = found->second;
        type.bytes = resource_bytes_[found->second];
        type.optional = !arguments.empty() && arguments[0].name == "opt";
    } else {
        return structure(name);
    }
    if (type.kind != Type::Kind::Array && type.bytes == 0)
        fail(name + " has no integer type");
    return add(std::move(type));
}

const Type *Description::structure(const std::string &name) {
    if (const auto found = structs_.find(name); found != structs_.end())
        return found->second;
    const auto lines = struct_lines_.find(name);
    if (lines == struct_lines_.end())
        fail("no type is called " + name);
    Type type;
    type.kind = lines->second.is_union ? Type::Kind::Union : Type::Kind::Struct;
    std::size_t offset = 0;
    for (const auto &line : lines->second.fields) {
        std::string_view text = line;
        Field field;
        field.name = take_word(text);
        field.type = resolve(parse_expression(text));
        field.out = text.find("(out)") != std::string_view::npos;
        // The uAPI has no implicit padding, so a field follows the one before it.
        field.offset = lines->second.is_union ? 0 : offset;
        offset += field.type->size();
        if (lines->second.is_union && field.type->size() * (type.fields.size() + 1) != offset)
            fail("members of " + name + " have different sizes");
        type.fields.push_back(std::move(field));
    }
    const Type *added = add(std::move(type));
    structs_[name] = added;
    return added;
}

Description::Description(std::string_view text, std::string_view constants) {
    for (const auto &line : lines_of(constants)) {
        const auto equals = line.find(" = ");
        if (equals != std::string::npos && line.compare(0, 6, "arches") != 0)
            constants_[line.substr(0, equals)] = std::stoull(line.substr(equals + 3));
    }

    std::vector<std::string> ioctls;
    Lines *inside = nullptr;
    for (const auto &line : lines_of(text)) {
        std::string_view rest = line;
        if (inside) {
            if (line == (inside->is_union ? "]" : "}"))
                inside = nullptr;
            else
                inside->fields.push_back(line);
        } else if (line.back() == '{' || line.back() == '[') {
            inside = &struct_lines_[take_word(rest)];
            inside->is_union = line.back() == '[';
        } else if (line.compare(0, 9, "resource ") == 0) {
            rest.remove_prefix(9);
            const auto resource = parse_expression(rest);
            const auto bytes = integer_bytes(resource.arguments.at(0).name);
            resources_[resource.name] = resource_bytes_.size();
            resource_bytes_.push_back(bytes ? bytes : 4);
        } else if (line.compare(0, 6, "ioctl$") == 0) {
            ioctls.push_back(line);
        } else if (const auto equals = line.find(" = "); equals != std::string::npos) {
            auto &values = flags_[line.substr(0, equals)];
            std::istringstream list(line.substr(equals + 3));
            for (std::string value; std::getline(list, value, ',');) {
                value.erase(0, value.find_first_not_of(' '));
                values.push_back(number(value));
            }
        } else if (line.find('(') == std::string::npos && line.compare(0, 8, "include ") != 0) {
            fail("not understood: " + line);
        }
    }

    for (const auto &line : ioctls) {
        // ioctl$NAME(fd fd_brgpu, cmd const[NUMBER], arg ptr[DIRECTION, STRUCT])
        const auto open = line.find('('), cmd = line.find("cmd const["),
                   arg = line.find("arg ptr[");
        if (open == std::string::npos || cmd == std::string::npos || arg == std::string::npos)
            fail("not understood: " + line);
        Call call;
        call.name = line.substr(6, open - 6);
        const auto number_at = cmd + 10;
        call.request = number(line.substr(number_at, line.find(']', number_at) - number_at));
        std::string_view rest = std::string_view(line).substr(arg + 4);
        call.argument = resolve(parse_expression(rest))->element;
        if (call.argument->size() != _IOC_SIZE(call.request))
            fail(call.name + ": the struct described has " + std::to_string(call.argument->size()) +
                 " bytes, the ioctl's number says " + std::to_string(_IOC_SIZE(call.request)));
        calls_.push_back(std::move(call));
    }
    if (calls_.empty())
        fail("no ioctl in it");
}

} // namespace brgpu::fuzz
