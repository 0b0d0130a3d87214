#include "weft/core/section.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(InSection, Nests) {
  EXPECT_EQ(whereabouts().section, Section::step);
  {
    const InSection reading(Section::read);
    EXPECT_EQ(whereabouts().section, Section::read);
    {
      const InSection waiting(Section::collective);
      EXPECT_EQ(whereabouts().section, Section::collective);
    }
    EXPECT_EQ(whereabouts().section, Section::read);
  }
  EXPECT_EQ(whereabouts().section, Section::step);
}

TEST(InSection, EndsWithAnException) {
  EXPECT_THROW(
      {
        const InSection writing(Section::checkpoint);
        throw 1;
      },
      int);
  EXPECT_EQ(whereabouts().section, Section::step);
}

TEST(SectionName, IsThatOfThePatience) {
  EXPECT_EQ(section_name(Section::step), "step");
  EXPECT_EQ(section_name(Section::collective), "collective");
  EXPECT_EQ(section_name(Section::checkpoint), "checkpoint");
  EXPECT_EQ(section_name(Section::read), "read");
}

TEST(Whereabouts, AreOfTheStageAndItsStep) {
  note_stage("simulate");
  note_step(7);
  EXPECT_EQ(whereabouts().stage, std::string("simulate"));
  EXPECT_EQ(whereabouts().step, 7);
  note_stage("train");
  EXPECT_EQ(whereabouts().stage, std::string("train"));
  EXPECT_EQ(whereabouts().step, 0) << "of the new stage";
}

/// Whether the seconds are counted from `change`, which comes some time after the one before.
bool counts_from(const std::function<void()>& change) {
  while (whereabouts().seconds < 0.01) std::this_thread::yield();
  const auto before = std::chrono::steady_clock::now();
  change();
  const double seconds = whereabouts().seconds;
  return seconds <= std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
}

TEST(Whereabouts, CountSecondsFromEachChange) {
  std::optional<InSection> section;
  EXPECT_TRUE(counts_from([] { note_stage("train"); }));
  EXPECT_TRUE(counts_from([] { note_step(1); }));
  EXPECT_TRUE(counts_from([&] { section.emplace(Section::read); }));
  EXPECT_TRUE(counts_from([&] { section.reset(); }));
  EXPECT_FALSE(counts_from([] {}));
}

TEST(Whereabouts, AreSeenFromOtherThreads) {
  std::atomic<bool> done = false;
  std::thread watcher([&] {
    while (!done) {
      const Whereabouts seen = whereabouts();
      EXPECT_GE(seen.seconds, 0);
      EXPECT_TRUE(seen.section == Section::step || seen.section == Section::read);
    }
  });
  for (int step = 0; step < 100000; ++step) {
    note_step(step);
    const InSection section(Section::read);
  }
  done = true;
  watcher.join();
  EXPECT_EQ(whereabouts().step, 99999);
}

}  // namespace
}  // namespace weft
