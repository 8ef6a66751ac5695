# Warnings and sanitizers, the same for every target of the project.
function(pith_set_warnings target)
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes
                           -Wmissing-prototypes -Wvla
                           # Samples are lists of strings, some of them in two pieces.
                           $<$<C_COMPILER_ID:Clang>:-Wno-string-concatenation>)
    if(PITH_WERROR)
        target_compile_options(${target} PRIVATE -Werror)
    endif()
    if(PITH_SANITIZE)
        target_compile_options(${target} PRIVATE -fsanitize=${PITH_SANITIZE} -fno-omit-frame-pointer -g
                               -fno-sanitize-recover=all)
        target_link_options(${target} PUBLIC -fsanitize=${PITH_SANITIZE})
    endif()
endfunction()
