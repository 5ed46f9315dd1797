// SPDX-License-Identifier: MIT
//
// Scaling: how much faster the card gets with workers for all cores, beside how much faster plain
// threads get at work of their own. And several queues, and contexts, that share the workers.
#include <fmt/format.h>

#include "card.hpp"
#include "native.hpp"
#include "parts.hpp"
#include "subject.hpp"

namespace brgpu::bench {
namespace {

constexpr uint64_t patience_ns = 600'000'000'000;
// Pieces of the control's work, and workgroups of the card's.
constexpr uint32_t pieces = 256;

// One thread and all, in turns with the card's work of the same kind.
struct Times {
    double control_one, control_all, card_one, card_all;
};

void add(Report &report, const Options &options, const char *name, const char *what,
         const Times &times) {
    Entry entry;
    entry.name = name;
    entry.labels = {{"what", what}, {"threads", options.cores}};
    entry.unit = "x";
    entry.engine = times.card_one / times.card_all;
    entry.peer_name = "threads";
    entry.peer = times.control_one / times.control_all;
    entry.ratio = entry.engine / entry.peer;
    entry.bound = {Bound::Kind::at_least, 0.9};
    report.add("scaling", std::move(entry));
}

class Control {
  public:
    explicit Control(unsigned cores) : one_(1), all_(cores) {}
    void run(bool parallel, uint64_t steps) {
        (parallel ? all_ : one_).run(pieces, 1, [&](size_t begin, size_t end) {
            for (size_t i = begin; i < end; ++i)
                sink_ += native::spin(steps);
        });
    }

  private:
    Pool one_, all_;
    std::atomic<float> sink_{0};
};

Times to_times(const std::vector<double> &medians) {
    return {medians[0], medians[1], medians[2], medians[3]};
}

// Kernels of the table, whose subjects are cards with one worker and with all.
void kernels(const Options &options, Report &report, Control &control, uint64_t steps) {
    for (const CaseMaker &maker : case_makers()) {
        const std::string name = maker.name;
        if (name != "mandelbrot" && name != "sgemm-tiled" && name != "nbody")
            continue;
        Report::progress("scaling: " + name);
        const Case work = maker.make(options.quick);
        const auto one = card_subject("one", {1, "", ""});
        const auto all = card_subject("all", {options.cores, "", ""});
        for (Subject *subject : {one.get(), all.get()}) {
            subject->load(work);
            subject->restore();
            subject->run();
        }
        const std::function<void()> works[] = {
            [&] { control.run(false, steps); },
            [&] { control.run(true, steps); },
            [&] { one->run(); },
            [&] { all->run(); },
        };
        const unsigned rounds = options.quick ? 9 : 21;
        add(report, options, maker.name, "workgroups of one dispatch",
            to_times(interleaved(rounds, TimeSource::wall, works)));
    }
}

// A queue of its own, in a context of its own where asked.
struct Stream {
    Stream(const Device &device, uint32_t groups, uint32_t steps)
        : vm(device), queue(vm), out(vm, uint64_t{groups} * 64 * 4) {
        kernel = load_kernels(vm, "bench").kernel("spin");
        kernel.set(0, steps);
        kernel.set(1, out);
        shape = grid({groups * 64}, {64});
    }
    void start() { serial = queue.launch(kernel, shape); }
    void wait() const { queue.wait(serial, patience_ns); }

    Vm vm;
    Queue queue;
    Buffer out;
    Kernel kernel;
    brgpu_dispatch_info shape = {};
    uint64_t serial = 0;
};

void streams(const Options &options, Report &report, Control &control, uint64_t steps,
             uint32_t card_steps) {
    Report::progress("scaling: several queues");
    const Device one = open_card(1), all = open_card(options.cores);
    // As many workgroups in each as keep one worker busy for a while, and too few to share well.
    std::vector<std::unique_ptr<Stream>> on_one, on_all;
    const uint32_t streams = options.cores * 2;
    for (uint32_t i = 0; i < streams; ++i) {
        on_one.push_back(std::make_unique<Stream>(one, pieces / streams, card_steps));
        on_all.push_back(std::make_unique<Stream>(all, pieces / streams, card_steps));
    }
    const auto run = [](const auto &list) {
        for (const auto &stream : list)
            stream->start();
        for (const auto &stream : list)
            stream->wait();
    };
    const std::function<void()> works[] = {
        [&] { control.run(false, steps); },
        [&] { control.run(true, steps); },
        [&] { run(on_one); },
        [&] { run(on_all); },
    };
    works[3]();
    const unsigned rounds = options.quick ? 9 : 21;
    add(report, options, "queues", "dispatches of several queues and contexts",
        to_times(interleaved(rounds, TimeSource::wall, works)));
}

} // namespace

void measure_scaling(const Options &options, Report &report) {
    if (!options.wants("scaling"))
        return;
    if (options.cores < 2) {
        report.note("scaling is not measured: this machine has one core");
        return;
    }
    // The control takes about as long as the card's work, so that both meet the same disturbances.
    const double goal_ns = options.quick ? 5e6 : 20e6;
    Control control(options.cores);
    uint64_t steps = 1000;
    double begin = now_ns();
    control.run(false, steps);
    steps = static_cast<uint64_t>(static_cast<double>(steps) * goal_ns / (now_ns() - begin)) + 1;

    const Device device = open_card(1);
    Stream probe(device, pieces, 100);
    probe.start();
    probe.wait();
    begin = now_ns();
    probe.start();
    probe.wait();
    const auto card_steps = static_cast<uint32_t>(100 * goal_ns / (now_ns() - begin)) + 1;

    kernels(options, report, control, steps);
    streams(options, report, control, steps, card_steps);
}

} // namespace brgpu::bench
