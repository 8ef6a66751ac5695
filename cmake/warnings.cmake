# Warnings and sanitizers, the same for every target of the project.
function(pith_set_warnings target)
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes
                           -Wmissing-prototypes -Wvla -fvisibility=default)
    if(PITH_WERROR)
        target_compile_options(${target} PRIVATE -Werror)
    endif()
    if(PITH_SANITIZE)
        target_compile_options(${target} PRIVATE -fsanitize=${PITH_SANITIZE} -fno-omit-frame-pointer -g
                               -fno-sanitize-recover=all)
        target_link_options(${target} PUBLIC -fsanitize=${PITH_SANITIZE})
    endif()
endfunction()
