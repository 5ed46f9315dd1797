// SPDX-License-Identifier: MIT
//
// PNG files as users have them: every colour type, odd depths, profiles that libpng grumbles about,
// damage.
#include "picture.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <unistd.h>

#include <gtest/gtest.h>
#include <png.h>

namespace brgpu::demo {
namespace {

namespace fs = std::filesystem;

struct Format {
    int colour = PNG_COLOR_TYPE_RGB;
    int depth = 8;
    int interlace = PNG_INTERLACE_NONE;
};

std::string big_endian(uint32_t v) {
    return {static_cast<char>(v >> 24), static_cast<char>(v >> 16), static_cast<char>(v >> 8),
            static_cast<char>(v)};
}

// The four bytes that end a chunk: the CRC of its type and data.
std::string chunk_crc(const std::string &body) {
    uint32_t crc = 0xffffffffu;
    for (const char c : body) {
        crc ^= static_cast<uint8_t>(c);
        for (int bit = 0; bit < 8; ++bit)
            crc = crc & 1 ? 0xedb88320u ^ (crc >> 1) : crc >> 1;
    }
    return big_endian(~crc);
}

class PictureTest : public ::testing::Test {
  protected:
    void SetUp() override {
        folder_ = fs::temp_directory_path() / ("brgpu-picture-" + std::to_string(::getpid()));
        fs::create_directories(folder_);
    }
    void TearDown() override { fs::remove_all(folder_); }

    std::string file(const char *name) const { return folder_ / name; }

    // Writes rows of samples as they are; `extras` may add chunks before the pixels.
    std::string write(const char *name, uint32_t width, const Format &format,
                      std::vector<std::vector<uint8_t>> rows,
                      const std::function<void(png_structp, png_infop)> &extras = {}) const {
        const std::string path = file(name);
        std::FILE *out = std::fopen(path.c_str(), "wb");
        png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
        png_infop info = png_create_info_struct(png);
        if (setjmp(png_jmpbuf(png))) { // NOLINT(cert-err52-cpp): libpng's way
            ADD_FAILURE() << "libpng can't write " << name;
            std::fclose(out);
            return path;
        }
        png_init_io(png, out);
        png_set_IHDR(png, info, width, static_cast<png_uint_32>(rows.size()), format.depth,
                     format.colour, format.interlace, PNG_COMPRESSION_TYPE_BASE,
                     PNG_FILTER_TYPE_BASE);
        if (extras)
            extras(png, info);
        png_write_info(png, info);
        std::vector<png_bytep> pointers;
        for (auto &row : rows)
            pointers.push_back(row.data());
        png_write_image(png, pointers.data());
        png_write_end(png, info);
        png_destroy_write_struct(&png, &info);
        std::fclose(out);
        return path;
    }

    std::string refusal(const std::string &path) const {
        try {
            read_png(path);
        } catch (const std::runtime_error &error) {
            return error.what();
        }
        return "";
    }

    fs::path folder_;
};

TEST_F(PictureTest, ComesBackAsItWasWritten) {
    const Picture picture = make_landscape(37, 21);
    write_png(file("a.png"), picture);
    const Picture again = read_png(file("a.png"));
    EXPECT_EQ(again.width, 37u);
    EXPECT_EQ(again.height, 21u);
    EXPECT_EQ(again.pixels, picture.pixels);
}

TEST_F(PictureTest, OneBitGrey) {
    const Picture p =
        read_png(write("g1.png", 8, {PNG_COLOR_TYPE_GRAY, 1}, {{0b10110000}, {0b00000001}}));
    EXPECT_EQ(p.pixels[0], (Pixel{255, 255, 255, 255}));
    EXPECT_EQ(p.pixels[1], (Pixel{0, 0, 0, 255}));
    EXPECT_EQ(p.pixels[15], (Pixel{255, 255, 255, 255}));
}

TEST_F(PictureTest, GreyWithAlpha) {
    const Picture p = read_png(write("ga.png", 2, {PNG_COLOR_TYPE_GRAY_ALPHA}, {{9, 255, 200, 0}}));
    EXPECT_EQ(p.pixels[0], (Pixel{9, 9, 9, 255}));
    EXPECT_EQ(p.pixels[1][3], 0);
}

TEST_F(PictureTest, PaletteWithTransparency) {
    const Picture p = read_png(write(
        "p.png", 3, {PNG_COLOR_TYPE_PALETTE, 8}, {{2, 0, 1}}, [](png_structp png, png_infop info) {
            const png_color colours[] = {{1, 2, 3}, {40, 50, 60}, {7, 8, 9}};
            const png_byte alpha[] = {255, 0};
            png_set_PLTE(png, info, colours, 3);
            png_set_tRNS(png, info, alpha, 2, nullptr);
        }));
    EXPECT_EQ(p.pixels[0], (Pixel{7, 8, 9, 255}));
    EXPECT_EQ(p.pixels[1], (Pixel{1, 2, 3, 255}));
    EXPECT_EQ(p.pixels[2][3], 0);
}

TEST_F(PictureTest, InterlacedIsTheSameAsNot) {
    std::vector<std::vector<uint8_t>> rows(11, std::vector<uint8_t>(13 * 3));
    for (size_t y = 0; y < rows.size(); ++y)
        for (size_t x = 0; x < rows[y].size(); ++x)
            rows[y][x] = static_cast<uint8_t>(y * 17 + x * 5);
    const auto plain = read_png(write("n.png", 13, {PNG_COLOR_TYPE_RGB, 8}, rows));
    const auto adam7 =
        read_png(write("i.png", 13, {PNG_COLOR_TYPE_RGB, 8, PNG_INTERLACE_ADAM7}, rows));
    EXPECT_EQ(plain.pixels, adam7.pixels);
    EXPECT_EQ(plain.pixels[0], (Pixel{0, 5, 10, 255}));
}

// A bad profile is a common thing, and says nothing against the pixels.
TEST_F(PictureTest, ProfileThatLibpngDislikes) {
    const std::string path = write("c.png", 1, {PNG_COLOR_TYPE_RGB, 8}, {{10, 20, 30}});
    std::ifstream in(path, std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(in), {}};
    // iCCP: a name, method 0, and something that is no zlib stream.
    const std::string body = std::string("iCCPbad", 7) + std::string(2, '\0') + "nonsense";
    const auto length = static_cast<uint32_t>(body.size() - 4);
    bytes.insert(33, big_endian(length) + body + chunk_crc(body));
    std::ofstream(path, std::ios::binary) << bytes;
    EXPECT_EQ(read_png(path).pixels[0], (Pixel{10, 20, 30, 255}));
}

TEST_F(PictureTest, DamageIsRefusedWithTheFileAndTheReason) {
    write_png(file("d.png"), make_landscape(64, 64));
    const auto size = fs::file_size(file("d.png"));
    fs::resize_file(file("d.png"), size / 2);
    EXPECT_NE(refusal(file("d.png")).find("d.png: damaged PNG"), std::string::npos)
        << refusal(file("d.png"));

    write_png(file("z.png"), make_landscape(64, 64));
    {
        std::fstream f(file("z.png"), std::ios::in | std::ios::out | std::ios::binary);
        f.seekp(static_cast<std::streamoff>(size / 2));
        f << "scribbled over";
    }
    EXPECT_NE(refusal(file("z.png")), "");

    std::ofstream(file("t.png")) << "this is no PNG\n";
    EXPECT_NE(refusal(file("t.png")).find("t.png: can't be read as PNG"), std::string::npos);
    EXPECT_NE(refusal(file("absent.png")).find("absent.png"), std::string::npos);
    EXPECT_NE(refusal(folder_.string()), "");
}

TEST_F(PictureTest, HugePicturesAreRefusedBeforeTheyTakeMemory) {
    const std::string path = write("h.png", 1, {PNG_COLOR_TYPE_RGB, 8}, {{1, 2, 3}});
    // The same header with another size.
    std::fstream f(path, std::ios::in | std::ios::out | std::ios::binary);
    const std::string header =
        "IHDR" + big_endian(60000) + big_endian(60000) + std::string("\x08\x02\0\0\0", 5);
    f.seekp(12);
    f << header << chunk_crc(header);
    f.close();
    EXPECT_NE(refusal(path).find("60000 x 60000"), std::string::npos) << refusal(path);
}

TEST_F(PictureTest, FolderThatIsNotThere) {
    EXPECT_THROW(write_png(file("no/where.png"), make_landscape(4, 4)), std::runtime_error);
}

} // namespace
} // namespace brgpu::demo
