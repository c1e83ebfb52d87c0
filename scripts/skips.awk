# Reads the output of `go test -v` and prints each skipped test with its
# package and its reason, one a line, tab-separated.
/^=== (RUN|CONT|NAME) / { test = $3; next }
/^ *--- SKIP: / {
	skipped[++n] = $3
	next
}
/^ *--- / { next }
/^(ok|FAIL|\?|---)[ \t]/ && NF > 1 {
	for (i = 1; i <= n; i++)
		print $2 "\t" skipped[i] "\t" (skipped[i] in said ? said[skipped[i]] : "no reason given")
	n = 0
	split("", said)
	next
}
/^ +[^ ]+\.go:[0-9]+: / {
	sub(/^ +[^ ]+\.go:[0-9]+: /, "")
	said[test] = $0
}
