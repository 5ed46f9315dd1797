// SPDX-License-Identifier: MIT
#include "elf_image.hpp"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <elf.h>
#include <optional>

#include "elf_notes.hpp"
#include "error.hpp"

namespace brgpu::umd {

namespace {

constexpr uint64_t page = 4096;
constexpr uint64_t largest_span = uint64_t{1} << 31; // what medany code can reach
constexpr uint64_t largest_alignment = 64 << 10;
constexpr unsigned most_segments = 64;

[[noreturn, gnu::format(printf, 1, 2)]] void bad(const char *format, ...) {
    char text[256];
    va_list list;
    va_start(list, format);
    std::vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    raise(BRGPU_ERROR_CODE_OBJECT, "brgpu: code object: %s", text);
}

unsigned long long hex(uint64_t value) {
    return value;
}

class Parser {
  public:
    explicit Parser(std::span<const std::byte> file) : file_(file) {}

    ElfImage parse() {
        header();
        segments();
        sections();
        dynamic();
        for (const Elf64_Shdr &section : sections_)
            if (section.sh_type == SHT_DYNSYM || section.sh_type == SHT_SYMTAB)
                symbols(section);
        for (const Elf64_Shdr &section : sections_)
            if (section.sh_type == SHT_NOTE && section_name(section) == ".note.brgpu")
                parse_kernel_notes(bytes(section.sh_offset, section.sh_size, "note section"),
                                   image_.kernels);
        for (ElfKernel &kernel : image_.kernels)
            descriptor(kernel);
        return std::move(image_);
    }

  private:
    std::span<const std::byte> bytes(uint64_t offset, uint64_t size, const char *what) const {
        if (offset > file_.size() || file_.size() - offset < size)
            bad("%s [0x%llx, +0x%llx) is beyond the file's %zu bytes", what, hex(offset), hex(size),
                file_.size());
        return file_.subspan(offset, size);
    }

    // Copied: nothing in the file need be aligned.
    template <typename Type>
    Type read(uint64_t offset, const char *what) const {
        Type value;
        std::memcpy(&value, bytes(offset, sizeof(value), what).data(), sizeof(value));
        return value;
    }

    void header() {
        elf_ = read<Elf64_Ehdr>(0, "ELF header");
        if (std::memcmp(elf_.e_ident, ELFMAG, SELFMAG))
            bad("not an ELF file");
        if (elf_.e_ident[EI_CLASS] != ELFCLASS64 || elf_.e_ident[EI_DATA] != ELFDATA2LSB ||
            elf_.e_ident[EI_VERSION] != EV_CURRENT)
            bad("not a 64-bit little-endian ELF file");
        if (elf_.e_machine != EM_RISCV)
            bad("for machine %u, not RISC-V", elf_.e_machine);
        if (elf_.e_type != ET_DYN)
            bad("ELF type %u: only ET_DYN (linked with -shared) can be loaded", elf_.e_type);
        if (elf_.e_phentsize != sizeof(Elf64_Phdr) || elf_.e_phnum == 0 ||
            elf_.e_phnum > most_segments)
            bad("%u program headers of %u bytes", elf_.e_phnum, elf_.e_phentsize);
        if (elf_.e_shnum && elf_.e_shentsize != sizeof(Elf64_Shdr))
            bad("section headers of %u bytes", elf_.e_shentsize);
    }

    void segments() {
        for (unsigned i = 0; i < elf_.e_phnum; ++i) {
            bytes(elf_.e_phoff, uint64_t{elf_.e_phnum} * sizeof(Elf64_Phdr), "program headers");
            const auto p = read<Elf64_Phdr>(elf_.e_phoff + i * sizeof(Elf64_Phdr), "header");
            if (p.p_type == PT_INTERP)
                bad("wants an interpreter");
            if (p.p_type == PT_TLS && p.p_memsz)
                bad("has thread-local storage");
            if (p.p_type == PT_DYNAMIC)
                dynamic_ = p;
            if (p.p_type == PT_LOAD && p.p_memsz)
                load(p);
        }
        if (image_.segments.empty())
            bad("nothing to load");
        auto &list = image_.segments;
        std::sort(list.begin(), list.end(),
                  [](const ElfSegment &a, const ElfSegment &b) { return a.address < b.address; });
        for (size_t i = 1; i < list.size(); ++i)
            if ((list[i - 1].address + list[i - 1].memory_bytes + page - 1) / page >
                list[i].address / page)
                bad("segments at 0x%llx and 0x%llx share a page", hex(list[i - 1].address),
                    hex(list[i].address));
        const uint64_t end = list.back().address + list.back().memory_bytes;
        image_.span_bytes = (end + page - 1) / page * page;
    }

    void load(const Elf64_Phdr &p) {
        if (p.p_filesz > p.p_memsz)
            bad("segment at 0x%llx has more bytes in the file than in memory", hex(p.p_vaddr));
        if (p.p_vaddr > largest_span || p.p_memsz > largest_span - p.p_vaddr)
            bad("segment [0x%llx, +0x%llx) is beyond 2 GiB", hex(p.p_vaddr), hex(p.p_memsz));
        if (p.p_align > 1 && ((p.p_align & (p.p_align - 1)) || p.p_align > largest_alignment))
            bad("segment alignment 0x%llx", hex(p.p_align));
        bytes(p.p_offset, p.p_filesz, "segment");
        if ((p.p_flags & PF_W) && (p.p_flags & PF_X))
            bad("segment at 0x%llx is both writable and executable", hex(p.p_vaddr));
        image_.segments.push_back({p.p_vaddr, p.p_memsz, p.p_offset, p.p_filesz,
                                   (p.p_flags & PF_R) != 0, (p.p_flags & PF_W) != 0,
                                   (p.p_flags & PF_X) != 0});
    }

    // The segment whose memory holds the range; null when none does.
    const ElfSegment *segment_of(uint64_t address, uint64_t size) const {
        for (const ElfSegment &s : image_.segments)
            if (address >= s.address && address - s.address <= s.memory_bytes &&
                s.memory_bytes - (address - s.address) >= size)
                return &s;
        return nullptr;
    }

    // File offset of loaded bytes that stand in the file.
    uint64_t file_offset_of(uint64_t address, uint64_t size, const char *what) const {
        const ElfSegment *s = segment_of(address, size);
        if (!s || s->file_bytes < size || address - s->address > s->file_bytes - size)
            bad("%s [0x%llx, +0x%llx) is not in a segment's file bytes", what, hex(address),
                hex(size));
        return s->file_offset + (address - s->address);
    }

    void sections() {
        if (!elf_.e_shnum)
            return;
        bytes(elf_.e_shoff, uint64_t{elf_.e_shnum} * sizeof(Elf64_Shdr), "section headers");
        for (unsigned i = 0; i < elf_.e_shnum; ++i)
            sections_.push_back(
                read<Elf64_Shdr>(elf_.e_shoff + i * sizeof(Elf64_Shdr), "section header"));
    }

    std::string_view string_at(const Elf64_Shdr &table, uint64_t offset, const char *what) const {
        const auto strings = bytes(table.sh_offset, table.sh_size, "string table");
        if (table.sh_type != SHT_STRTAB || offset >= strings.size())
            bad("%s: string beyond its table", what);
        const auto *start = reinterpret_cast<const char *>(strings.data()) + offset;
        const size_t length = strnlen(start, strings.size() - offset);
        if (length == strings.size() - offset)
            bad("%s: string without end", what);
        return {start, length};
    }

    std::string_view section_name(const Elf64_Shdr &section) const {
        if (elf_.e_shstrndx >= sections_.size())
            bad("no section names");
        return string_at(sections_[elf_.e_shstrndx], section.sh_name, "section name");
    }

    void symbols(const Elf64_Shdr &section) {
        if (section.sh_entsize != sizeof(Elf64_Sym) || section.sh_size % sizeof(Elf64_Sym))
            bad("symbol table with entries of %llu bytes", hex(section.sh_entsize));
        if (section.sh_link >= sections_.size())
            bad("symbol table without names");
        bytes(section.sh_offset, section.sh_size, "symbol table");
        for (uint64_t at = 0; at < section.sh_size; at += sizeof(Elf64_Sym)) {
            const auto symbol = read<Elf64_Sym>(section.sh_offset + at, "symbol");
            const unsigned bind = ELF64_ST_BIND(symbol.st_info);
            const unsigned type = ELF64_ST_TYPE(symbol.st_info);
            if ((bind != STB_GLOBAL && bind != STB_WEAK) || symbol.st_shndx == SHN_UNDEF ||
                symbol.st_shndx >= SHN_LORESERVE || type == STT_TLS)
                continue;
            // A linker's end-of-section marks may stand just behind a segment: not for us.
            if (!segment_of(symbol.st_value, std::max<uint64_t>(symbol.st_size, 1)))
                continue;
            const auto name = string_at(sections_[section.sh_link], symbol.st_name, "symbol name");
            if (!name.empty())
                image_.symbols.try_emplace(std::string(name),
                                           ElfSymbol{symbol.st_value, symbol.st_size});
        }
    }

    void dynamic() {
        if (!dynamic_)
            return;
        std::optional<uint64_t> rela, rela_size, symtab;
        uint64_t rela_entry = sizeof(Elf64_Rela), symtab_entry = sizeof(Elf64_Sym);
        bytes(dynamic_->p_offset, dynamic_->p_filesz, "dynamic section");
        for (uint64_t at = 0; at + sizeof(Elf64_Dyn) <= dynamic_->p_filesz;
             at += sizeof(Elf64_Dyn)) {
            const auto entry = read<Elf64_Dyn>(dynamic_->p_offset + at, "dynamic entry");
            const uint64_t value = entry.d_un.d_val;
            switch (entry.d_tag) {
            case DT_NULL:
                at = dynamic_->p_filesz;
                break;
            case DT_RELA:
                rela = value;
                break;
            case DT_RELASZ:
                rela_size = value;
                break;
            case DT_RELAENT:
                rela_entry = value;
                break;
            case DT_SYMTAB:
                symtab = value;
                break;
            case DT_SYMENT:
                symtab_entry = value;
                break;
            case DT_NEEDED:
                bad("needs a library");
            case DT_TEXTREL:
                bad("has relocations in its code");
            case DT_RELSZ:
            case DT_PLTRELSZ:
            case DT_RELRSZ:
                if (value)
                    bad("has relocations of a kind other than RELA");
                break;
            case DT_INIT:
            case DT_FINI:
                if (value)
                    bad("has code to run at load time");
                break;
            case DT_INIT_ARRAYSZ:
            case DT_FINI_ARRAYSZ:
            case DT_PREINIT_ARRAYSZ:
                if (value)
                    bad("has constructors or destructors");
                break;
            default:
                break;
            }
        }
        if (!rela_size || *rela_size == 0)
            return;
        if (!rela || rela_entry != sizeof(Elf64_Rela) || *rela_size % sizeof(Elf64_Rela) ||
            symtab_entry != sizeof(Elf64_Sym))
            bad("malformed relocation table");
        const uint64_t table = file_offset_of(*rela, *rela_size, "relocation table");
        for (uint64_t at = 0; at < *rela_size; at += sizeof(Elf64_Rela))
            relocation(read<Elf64_Rela>(table + at, "relocation"), symtab);
    }

    void relocation(const Elf64_Rela &r, std::optional<uint64_t> symtab) {
        uint64_t value = static_cast<uint64_t>(r.r_addend);
        switch (ELF64_R_TYPE(r.r_info)) {
        case R_RISCV_NONE:
            return;
        case R_RISCV_RELATIVE:
            break;
        case R_RISCV_64: {
            if (!symtab)
                bad("relocation without a symbol table");
            const uint64_t index = ELF64_R_SYM(r.r_info);
            if (index > largest_span / sizeof(Elf64_Sym))
                bad("relocation against symbol %llu", hex(index));
            const auto symbol = read<Elf64_Sym>(
                file_offset_of(*symtab + index * sizeof(Elf64_Sym), sizeof(Elf64_Sym), "symbol"),
                "symbol");
            if (symbol.st_shndx == SHN_UNDEF || symbol.st_shndx >= SHN_LORESERVE ||
                ELF64_ST_TYPE(symbol.st_info) == STT_TLS)
                bad("relocation against an undefined symbol (number %llu)", hex(index));
            value += symbol.st_value;
            break;
        }
        default:
            bad("relocation of type %llu: only RELATIVE and 64 can be loaded",
                hex(ELF64_R_TYPE(r.r_info)));
        }
        const ElfSegment *segment = segment_of(r.r_offset, 8);
        if (!segment)
            bad("relocation of 0x%llx, which is in no segment", hex(r.r_offset));
        if (segment->execute)
            bad("relocation of 0x%llx, which is code", hex(r.r_offset));
        image_.relocations.push_back({r.r_offset, value});
    }

    void descriptor(ElfKernel &kernel) {
        const char *name = kernel.name.c_str();
        const auto symbol = image_.symbols.find(kernel.name + ".kd");
        if (symbol == image_.symbols.end())
            bad("kernel %s has no descriptor %s.kd", name, name);
        const uint64_t address = symbol->second.address;
        if (address % sizeof(brgpu_kernel_desc))
            bad("kernel %s: its descriptor is at 0x%llx, not 64-byte aligned", name, hex(address));
        auto &d = kernel.descriptor;
        d = read<brgpu_kernel_desc>(file_offset_of(address, sizeof(d), "kernel descriptor"),
                                    "kernel descriptor");
        const ElfSegment *home = segment_of(address, sizeof(d));
        if (home->write)
            bad("kernel %s: its descriptor is writable", name);
        for (const ElfRelocation &r : image_.relocations)
            if (r.address + 8 > address && r.address < address + sizeof(d))
                bad("kernel %s: a relocation in its descriptor", name);
        kernel.descriptor_address = address;
        if (d.magic != BRGPU_KERNEL_DESC_MAGIC)
            bad("kernel %s: its descriptor has a wrong magic number", name);
        if (d.isa_major != BRGPU_ISA_MAJOR || d.isa_minor > BRGPU_ISA_MINOR)
            bad("kernel %s: for ISA %u.%u, this is %u.%u: compile it again", name, d.isa_major,
                d.isa_minor, BRGPU_ISA_MAJOR, BRGPU_ISA_MINOR);
        if (d.flags & ~BRGPU_KERNEL_FLAGS || d.pad0 || d.pad1[0] || d.pad1[1] || d.pad1[2])
            bad("kernel %s: unknown flags or a pad not zero", name);
        if (d.kernarg_bytes > BRGPU_MAX_KERNARG_BYTES)
            bad("kernel %s: %u bytes of arguments", name, d.kernarg_bytes);
        if (d.static_local_bytes > BRGPU_MAX_LOCAL_BYTES)
            bad("kernel %s: %u bytes of local memory", name, d.static_local_bytes);
        if (d.private_bytes > BRGPU_MAX_PRIVATE_BYTES || d.private_bytes % 16)
            bad("kernel %s: %u bytes of private memory", name, d.private_bytes);
        if (d.max_workgroup > BRGPU_MAX_WORKGROUP)
            bad("kernel %s: workgroups of up to %u", name, d.max_workgroup);
        const bool any =
            !d.required_workgroup[0] && !d.required_workgroup[1] && !d.required_workgroup[2];
        const uint64_t items =
            uint64_t{d.required_workgroup[0]} * d.required_workgroup[1] * d.required_workgroup[2];
        if (!any && (items == 0 || items > BRGPU_MAX_WORKGROUP))
            bad("kernel %s: required workgroup %u x %u x %u", name, d.required_workgroup[0],
                d.required_workgroup[1], d.required_workgroup[2]);
        const uint64_t entry = address + static_cast<uint64_t>(d.entry_offset);
        const ElfSegment *code = segment_of(entry, 2);
        if (entry % 2 || !code || !code->execute)
            bad("kernel %s: its entry 0x%llx is not in code", name, hex(entry));
        for (const ElfArgument &a : kernel.arguments)
            if (uint64_t{a.offset} + a.size > d.kernarg_bytes)
                bad("kernel %s: argument %s is beyond the argument block", name, a.name.c_str());
    }

    std::span<const std::byte> file_;
    Elf64_Ehdr elf_ = {};
    std::optional<Elf64_Phdr> dynamic_;
    std::vector<Elf64_Shdr> sections_;
    ElfImage image_;
};

} // namespace

ElfImage parse_elf(std::span<const std::byte> file) {
    return Parser(file).parse();
}

} // namespace brgpu::umd
