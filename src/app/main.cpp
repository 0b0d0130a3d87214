#include "weft/app/program.hpp"

int main(int argc, char** argv) { return weft::run_program(argc, argv); }
