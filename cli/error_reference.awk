# Turns the enum of error_reason.proto into entries of a C++ table.
/^enum / { inside = 1; next }
/^}/ { inside = 0 }
inside && /^ *\/\// {
    sub(/^ *\/\/ */, "")
    gsub(/\\/, "\\\\")
    gsub(/"/, "\\\"")
    text = text (text == "" ? "" : " ") $0
    next
}
inside && / = [1-9][0-9]*;/ { printf "{\"%s\", \"%s\"},\n", $1, text }
inside { text = "" }
