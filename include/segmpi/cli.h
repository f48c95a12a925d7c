/* The command line: parses before MPI starts, runs one command, prints one message on failure. */
#pragma once

/* The whole program; the result is the exit code. */
int seg_cli_main(int argc, char **argv);
