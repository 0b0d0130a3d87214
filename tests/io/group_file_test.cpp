#include "weft/io/group_file.hpp"

#include <string>

#include <gtest/gtest.h>

#include "weft/io/files.hpp"

#include "support/temporary_folder.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

class GroupFile : public testing::Test {
 protected:
  std::vector<std::int64_t> read(const std::string& text, std::int64_t neurons) const {
    write_text_atomically(file_, text);
    return read_group_file(file_, neurons);
  }
  void expect_refused(const std::string& text, std::initializer_list<std::string_view> parts) const {
    expect_user_error([&] { read(text, 4); }, parts);
  }

  TemporaryFolder folder_;
  std::filesystem::path file_ = folder_.path() / "groups.txt";
};

TEST_F(GroupFile, HoldsTheGroupOfEachNeuron) {
  EXPECT_EQ(read("1\n0\n0\n2\n", 4), (std::vector<std::int64_t>{1, 0, 0, 2}));
}

TEST_F(GroupFile, MayHaveBlanksAndEmptyLinesAtItsEndAndLinesOfWindows) {
  EXPECT_EQ(read(" 1\r\n0 \r\n\t1\r\n0\r\n\r\n\n", 4), (std::vector<std::int64_t>{1, 0, 1, 0}));
  EXPECT_EQ(read("0", 1), std::vector<std::int64_t>{0});
}

TEST_F(GroupFile, OfAnotherLengthIsRefused) {
  expect_refused("0\n0\n0\n", {"groups.txt: 3 lines", "expected 4, one for each neuron"});
  expect_refused("0\n0\n0\n0\n0\n", {"groups.txt: 5 lines", "expected 4"});
  expect_refused("", {"0 lines"});
}

TEST_F(GroupFile, WithSomethingElseThanANumberIsRefused) {
  expect_refused("0\nexcitatory\n0\n0\n", {"groups.txt:2: 'excitatory'", "the group of neuron 1"});
  expect_refused("0\n0\n0.5\n0\n", {"groups.txt:3: '0.5'"});
  expect_refused("0\n\n0\n0\n", {"groups.txt:2: ''"});
  expect_refused("0\n0\n0\n-1\n", {"groups.txt:4: '-1'", "from 0 to 3"});
  expect_refused("0\n99999999999999999999\n0\n0\n", {"groups.txt:2: '99999999999999999999'"});
}

TEST_F(GroupFile, WithAGroupOfNobodyIsRefused) {
  expect_refused("0\n3\n0\n1\n", {"groups.txt:2: group 3, while no neuron is in group 2", "without a gap"});
}

TEST_F(GroupFile, ThatIsNotThereIsNamed) {
  expect_user_error([&] { read_group_file(folder_.path() / "nowhere.txt", 4); }, {"nowhere.txt"});
}

}  // namespace
}  // namespace weft
