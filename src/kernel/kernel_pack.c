/* Centers in the order that the kernels read: groups of 8, within a group [column][center]. */
#include "segmpi/kernels.h"

#include <math.h>

int64_t seg_kernels_packed_size(int k, int d)
{
    return (int64_t)k * d;
}

void seg_kernels_pack(int k, int d, const double *centers, float *packed)
{
    for (int first = 0; first < k; first += SEG_CENTER_GROUP) {
        int width = k - first < SEG_CENTER_GROUP ? k - first : SEG_CENTER_GROUP;
        for (int t = 0; t < d; t++)
            for (int c = 0; c < width; c++)
                *packed++ = (float)centers[(int64_t)(first + c) * d + t];
    }
}

void seg_kernels_shifts(int k, int d, const double *centers, const float *packed, double *shift)
{
    for (int first = 0; first < k; first += SEG_CENTER_GROUP) {
        int width = k - first < SEG_CENTER_GROUP ? k - first : SEG_CENTER_GROUP;
        for (int c = 0; c < width; c++) {
            double sum = 0;
            for (int t = 0; t < d; t++) {
                float to = (float)centers[(int64_t)(first + c) * d + t];
                double way = (double)to - (double)packed[t * width + c];
                sum += way * way;
            }
            shift[first + c] = sqrt(sum);
        }
        packed += (int64_t)width * d;
    }
}
