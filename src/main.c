/* The program: everything is in cli/. */
#include "segmpi/cli.h"

int main(int argc, char **argv)
{
    return seg_cli_main(argc, argv);
}
