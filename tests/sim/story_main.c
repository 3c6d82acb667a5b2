/* divan_story: plays recorded topology stories to the client. */
#include <stdio.h>
#include <stdlib.h>

#include "sim/story.h"

int main(int argc, char **argv)
{
    static const char *const modes[PUSH_MODES] = {"brief pushes", "full pushes", "no pushes"};
    int failed = 0, played = 0;
    bool tell = false;
    cheap_random(1);
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--trace")) {
            tell = true;
            continue;
        }
        for (int mode = 0; mode < PUSH_MODES; mode++, played++) {
            char problem[400];
            const char *name = strrchr(argv[i], '/') ? strrchr(argv[i], '/') + 1 : argv[i];
            bool fine = story_play(argv[i], (enum story_push)mode, tell, problem, sizeof problem);
            printf("%s %s, %s: %s\n", fine ? "ok  " : "FAIL", name, modes[mode], problem);
            failed += !fine;
        }
    }
    printf("%d played, %d failed\n", played, failed);
    return failed || !played;
}
