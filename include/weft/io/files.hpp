#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// What the system said of a file operation that failed (`code` is errno), as a UserError with a remedy where
/// one is known: a full disk, missing permission. Local.
[[noreturn]] void throw_file_error(const std::filesystem::path& path, const std::string& what_failed,
                                   int code);

/// Makes the folder and those above it, where they are missing, and syncs the folders that hold new ones.
/// Local. @throws UserError
void make_folders(const std::filesystem::path& folder);
/// Removes a file, or a folder with all in it; nothing there is no error. Local. @throws UserError
void remove_tree(const std::filesystem::path& path);
/// Removes a folder under another name, ending in .gone.tmp, so that no half of it is ever taken for the
/// whole; and what is left there of an earlier removal. Nothing there is no error. Local. @throws UserError
void remove_whole(const std::filesystem::path& folder);

/// What lies in a folder, sorted by name. Local. @throws UserError
std::vector<std::filesystem::path> list_folder(const std::filesystem::path& folder);

/// Returns when what was written to a file, or the names in a folder, are on the disk. Local. @throws
/// UserError
void sync_to_disk(const std::filesystem::path& path);
/// Gives a file or folder another name in one step, and syncs the folder that holds it. A file that has the
/// name already is replaced, a folder must be empty for that. Local. @throws UserError
void rename_durably(const std::filesystem::path& from, const std::filesystem::path& to);
/// Puts the folder `from` in the place of the folder `to`, which may exist with anything in it; at no moment
/// is there a half-written `to`. Where the file system cannot exchange two names, there is a moment without a
/// `to`, while the former one is named `to`.old.tmp. Local. @throws UserError; one of the two is then there.
void replace_folder(const std::filesystem::path& from, const std::filesystem::path& to);
/// Where a replacement of `to` was interrupted in that moment, gives the former its name back; where it was
/// interrupted after it, removes the former. Local. @throws UserError
void recover_replaced(const std::filesystem::path& to);

/// Writes a file under a temporary name, syncs it and renames it: a reader sees the old text or the new,
/// never a part. Local. @throws UserError; the old file is then still there.
void write_text_atomically(const std::filesystem::path& path, const std::string& text);
/// Local. @throws UserError where the file is missing or cannot be read.
std::string read_text(const std::filesystem::path& path);

/// The xxh3 (64 bits) of bytes, or of a file's, as 16 hexadecimal digits. Local.
std::string text_checksum(std::string_view text);
/// Likewise. @throws UserError where the file is missing or cannot be read.
std::string file_checksum(const std::filesystem::path& path);

}  // namespace weft
