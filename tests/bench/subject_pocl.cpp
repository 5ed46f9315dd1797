// SPDX-License-Identifier: MIT
#define CL_TARGET_OPENCL_VERSION 300
#include <CL/cl.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "subject.hpp"

namespace brgpu::bench {
namespace {

void check(cl_int status, const char *what) {
    if (status != CL_SUCCESS)
        throw std::runtime_error(std::string("PoCL: ") + what + ": error " +
                                 std::to_string(status));
}

std::string device_text(cl_device_id device, cl_device_info what) {
    char text[512] = "";
    clGetDeviceInfo(device, what, sizeof(text), text, nullptr);
    return text;
}

struct Found {
    cl_device_id device = nullptr;
    std::string version;
};

// PoCL's device of a kind: "basic" runs all in the thread that waits, "pthread" on all cores.
Found find_device(const std::string &kind) {
    // Both at once; read when the first platform is asked for.
    static const bool asked = setenv("POCL_DEVICES", "basic pthread", 1) == 0;
    if (!asked)
        return {};
    cl_uint count = 0;
    if (clGetPlatformIDs(0, nullptr, &count) != CL_SUCCESS)
        return {};
    std::vector<cl_platform_id> platforms(count);
    clGetPlatformIDs(count, platforms.data(), nullptr);
    for (cl_platform_id platform : platforms) {
        char version[256] = "";
        clGetPlatformInfo(platform, CL_PLATFORM_VERSION, sizeof(version), version, nullptr);
        if (!std::strstr(version, "PoCL"))
            continue;
        cl_uint devices = 0;
        clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, nullptr, &devices);
        std::vector<cl_device_id> list(devices);
        clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, devices, list.data(), nullptr);
        for (cl_device_id device : list)
            if (device_text(device, CL_DEVICE_NAME).starts_with(kind))
                return {device, version};
    }
    return {};
}

class PoclSubject final : public Subject {
  public:
    PoclSubject(std::string name, cl_device_id device) : Subject(std::move(name)), device_(device) {
        cl_int status = CL_SUCCESS;
        context_ = clCreateContext(nullptr, 1, &device_, nullptr, nullptr, &status);
        check(status, "clCreateContext");
        queue_ = clCreateCommandQueueWithProperties(context_, device_, nullptr, &status);
        check(status, "clCreateCommandQueueWithProperties");
    }
    ~PoclSubject() override {
        PoclSubject::unload();
        clReleaseCommandQueue(queue_);
        clReleaseContext(context_);
    }

    void load(const Case &work) override {
        work_ = &work;
        build(work.file);
        cl_int status = CL_SUCCESS;
        for (const CaseBuffer &buffer : work.buffers) {
            buffers_.push_back(clCreateBuffer(context_, CL_MEM_READ_WRITE, buffer.initial.size(),
                                              nullptr, &status));
            check(status, "clCreateBuffer");
        }
        for (const Launch &launch : work.launches) {
            kernels_.push_back(clCreateKernel(program_, launch.kernel.c_str(), &status));
            check(status, launch.kernel.c_str());
            for (cl_uint i = 0; i < launch.arguments.size(); ++i)
                set(kernels_.back(), i, launch.arguments[i]);
        }
    }
    void restore() override {
        for (size_t i = 0; i < buffers_.size(); ++i) {
            const auto &data = work_->buffers[i].initial;
            check(clEnqueueWriteBuffer(queue_, buffers_[i], CL_TRUE, 0, data.size(), data.data(), 0,
                                       nullptr, nullptr),
                  "clEnqueueWriteBuffer");
        }
    }
    void run() override {
        for (size_t i = 0; i < kernels_.size(); ++i) {
            const Launch &launch = work_->launches[i];
            size_t global[3] = {}, local[3] = {};
            std::copy(launch.global.begin(), launch.global.end(), global);
            std::copy(launch.local.begin(), launch.local.end(), local);
            check(clEnqueueNDRangeKernel(queue_, kernels_[i],
                                         static_cast<cl_uint>(launch.global.size()), nullptr,
                                         global, local, 0, nullptr, nullptr),
                  "clEnqueueNDRangeKernel");
        }
        check(clFinish(queue_), "clFinish");
    }
    std::vector<std::byte> read(size_t buffer) override {
        std::vector<std::byte> data(work_->buffers[buffer].initial.size());
        check(clEnqueueReadBuffer(queue_, buffers_[buffer], CL_TRUE, 0, data.size(), data.data(), 0,
                                  nullptr, nullptr),
              "clEnqueueReadBuffer");
        return data;
    }
    void unload() override {
        for (cl_kernel kernel : kernels_)
            clReleaseKernel(kernel);
        kernels_.clear();
        for (cl_mem buffer : buffers_)
            clReleaseMemObject(buffer);
        buffers_.clear();
        if (program_)
            clReleaseProgram(program_);
        program_ = nullptr;
    }

  private:
    void build(const std::string &file) {
        const std::string path = BENCH_SOURCES "/" + file + ".cl";
        std::ifstream in(path);
        if (!in)
            throw std::runtime_error("can't read " + path);
        const std::string source(std::istreambuf_iterator<char>(in), {});
        const char *text = source.c_str();
        cl_int status = CL_SUCCESS;
        program_ = clCreateProgramWithSource(context_, 1, &text, nullptr, &status);
        check(status, "clCreateProgramWithSource");
        // Strict, as brgpu-cc compiles: no relaxed mathematics.
        status = clBuildProgram(program_, 1, &device_, "-cl-std=CL1.2", nullptr, nullptr);
        if (status == CL_SUCCESS)
            return;
        std::string log(65536, '\0');
        size_t length = 0;
        clGetProgramBuildInfo(program_, device_, CL_PROGRAM_BUILD_LOG, log.size(), log.data(),
                              &length);
        log.resize(std::min(length, log.size()));
        throw std::runtime_error("PoCL can't compile " + path + ":\n" + log);
    }

    void set(cl_kernel kernel, cl_uint index, const Argument &argument) {
        cl_int status;
        if (const auto *value = std::get_if<Value>(&argument))
            status = clSetKernelArg(kernel, index, value->bytes.size(), value->bytes.data());
        else if (const auto *buffer = std::get_if<BufferIndex>(&argument))
            status = clSetKernelArg(kernel, index, sizeof(cl_mem), &buffers_[buffer->index]);
        else
            status = clSetKernelArg(kernel, index, std::get<LocalBytes>(argument).bytes, nullptr);
        check(status, "clSetKernelArg");
    }

    cl_device_id device_;
    cl_context context_ = nullptr;
    cl_command_queue queue_ = nullptr;
    const Case *work_ = nullptr;
    cl_program program_ = nullptr;
    std::vector<cl_mem> buffers_;
    std::vector<cl_kernel> kernels_;
};

} // namespace

std::unique_ptr<Subject> pocl_subject(std::string name, bool one_thread, std::string *why) {
    const Found found = find_device(one_thread ? "basic" : "pthread");
    if (!found.device) {
        *why = "PoCL is not installed (package pocl-opencl-icd)";
        return nullptr;
    }
    return std::make_unique<PoclSubject>(std::move(name), found.device);
}

std::string pocl_description() {
    const Found found = find_device("basic");
    if (!found.device)
        return {};
    // "basic-haswell-...": what it generates code for stands in the middle.
    return found.version + ", " + device_text(found.device, CL_DEVICE_NAME);
}

} // namespace brgpu::bench
