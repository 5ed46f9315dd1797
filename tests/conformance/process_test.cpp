// SPDX-License-Identifier: MIT
//
// fork, dlclose, and exit with work in flight.
#include <dlfcn.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.hpp"

namespace brgpu::conformance {

namespace {

// Runs in a child; its exit code.
template <typename Body>
int in_child(Body body) {
    const pid_t child = fork();
    if (child == 0)
        body();
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

} // namespace

TEST_F(Conformance, HandlesOfTheParentAreRefusedInTheChild) {
    const Buffer buffer(vm, 4096);
    EXPECT_EQ(0, in_child([&] {
                  auto properties = sized<brgpu_device_properties>();
                  if (brgpu_device_get_properties(device.get(), &properties) != BRGPU_ERROR_FORKED)
                      _exit(1);
                  if (brgpu_queue_wait(queue.get(), 0, 0) != BRGPU_ERROR_FORKED)
                      _exit(2);
                  brgpu_queue_destroy(queue.get());
                  brgpu_vm_destroy(vm.get());
                  _exit(0);
              }));
    // The parent's objects are as they were.
    Commands commands(vm);
    commands.fill(buffer.address(), uint32_t{9}, 4096);
    queue.wait(queue.submit(commands), timeout_ns);
}

TEST_F(Conformance, TheChildOpensTheDeviceAnew) {
    EXPECT_EQ(0, in_child([&] {
                  try {
                      const Device own = new_device();
                      const Vm space(own);
                      const Queue mine(space);
                      const Buffer buffer(space, 4096);
                      std::vector<uint32_t> data(1024, 5), back(1024);
                      mine.upload(buffer, data, timeout_ns);
                      mine.download(back, buffer, timeout_ns);
                      _exit(data == back ? 0 : 1);
                  } catch (const Error &) {
                      _exit(2);
                  }
              }));
}

TEST_F(Conformance, ExitWithWorkInFlight) {
    EXPECT_EQ(0, in_child([&] {
                  try {
                      const Device own = new_device();
                      const Vm space(own);
                      const Queue mine(space);
                      const CodeObject object(space, code());
                      const Buffer flag(space, 4096);
                      const Kernel kernel = object.kernel("spin");
                      kernel.set(0, flag);
                      mine.launch(kernel, grid({64}));
                      exit(0);
                  } catch (const Error &) {
                      _exit(2);
                  }
              }));
}

TEST_F(Conformance, DestroyingAQueueWithWorkInFlight) {
    const CodeObject object(vm, code());
    const Buffer flag(vm, 4096);
    const Kernel kernel = object.kernel("spin");
    kernel.set(0, flag);
    const Timeline timeline(device);
    const brgpu_timeline_point point = timeline.at(1);
    {
        const Queue doomed(vm);
        Commands commands(vm);
        commands.dispatch(kernel, grid({64}));
        doomed.submit(commands, {}, {&point, 1});
    }
    EXPECT_STATUS(BRGPU_ERROR_CANCELED, timeline.wait(1, timeout_ns));
}

TEST(Library, IsLoadedAndUnloadedTwentyTimes) {
    Dl_info info = {};
    ASSERT_NE(0, dladdr(reinterpret_cast<void *>(&brgpu_get_version), &info));
    EXPECT_EQ(0, in_child([&] {
                  for (int i = 0; i < 20; ++i) {
                      void *library = dlmopen(LM_ID_BASE, info.dli_fname, RTLD_NOW);
                      if (!library)
                          _exit(1);
                      auto *open = reinterpret_cast<decltype(&brgpu_device_open)>(
                          dlsym(library, "brgpu_device_open"));
                      auto *close = reinterpret_cast<decltype(&brgpu_device_close)>(
                          dlsym(library, "brgpu_device_close"));
                      auto wanted = sized<brgpu_device_open_info>();
                      wanted.backend = backend();
                      brgpu_device *opened = nullptr;
                      if (open(&wanted, &opened) != BRGPU_SUCCESS)
                          _exit(2);
                      close(opened);
                      dlclose(library);
                  }
                  _exit(0);
              }));
}

} // namespace brgpu::conformance
