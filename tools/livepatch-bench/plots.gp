# SPDX-License-Identifier: GPL-2.0
#
# One plot for each question. data: the folder that scripts/plots.sh has filled.

set terminal svg size 720,440 font "sans,13" background rgb "white"
set style line 1 lc rgb "#b0413e" lw 2 pt 7 ps 0.7
set style line 2 lc rgb "#2e6f9e" lw 2 pt 5 ps 0.7
set style line 3 lc rgb "#b0413e" lw 2 pt 6 ps 0.7 dt 2
set style line 4 lc rgb "#2e6f9e" lw 2 pt 4 ps 0.7 dt 2
set grid ytics lc rgb "#dddddd"
set border 3
set tics nomirror
set datafile missing "NaN"

file(name) = data . "/" . name

set key left top
set logscale xy
set format y "%g"
set format x "%'g"

set output file("enable-functions.svg")
set title "How long does a patch take, by its number of functions?"
set xlabel "functions"
set ylabel "milliseconds of virtual time"
plot file("functions-stock") using 1:2 with linespoints ls 1 title "stock, enable", \
     file("disable-stock") using 1:2 with linespoints ls 3 title "stock, disable", \
     file("functions-ours") using 1:2 with linespoints ls 2 title "ours, enable", \
     file("disable-ours") using 1:2 with linespoints ls 4 title "ours, disable"

set output file("enable-tasks.svg")
set title "How long does it take to enable a patch, by the number of tasks?"
set xlabel "sleeping tasks"
plot file("tasks-1-stock") using 1:2 with linespoints ls 1 title "stock, 1 function", \
     file("tasks-1000-stock") using 1:2 with linespoints ls 3 title "stock, 1,000 functions", \
     file("tasks-1-ours") using 1:2 with linespoints ls 2 title "ours, 1 function", \
     file("tasks-1000-ours") using 1:2 with linespoints ls 4 title "ours, 1,000 functions"

set output file("shadow.svg")
set title "What does a shadow variable cost, by the number of them?"
set xlabel "variables"
set ylabel "instructions"
plot file("get-stock") using 1:2 with linespoints ls 1 title "stock, get", \
     file("alloc-stock") using 1:2 with linespoints ls 3 title "stock, alloc", \
     file("get-ours") using 1:2 with linespoints ls 2 title "ours, get", \
     file("alloc-ours") using 1:2 with linespoints ls 4 title "ours, alloc"

unset logscale y
set output file("leave.svg")
set title "When is a transition over, after the last task has left the old function?"
set xlabel "milliseconds of virtual time"
set ylabel "part of the transitions"
set xrange [0.05:*]
set yrange [0:1]
set key center center
plot file("leave-stock") using 1:2 with steps ls 1 title "stock", \
     file("leave-ours") using 1:2 with steps ls 2 title "ours"

unset logscale x
set xrange [*:*]
set key left top
set style data histograms
set style histogram clustered gap 1
set style fill solid
unset xlabel

set output file("call.svg")
set title "What does a call of a patched function cost?"
set ylabel "instructions"
set yrange [0:*]
plot file("call") using 2:xtic(1) ls 1 title "stock", "" using 3 ls 2 title "ours"

set output file("fork.svg")
set title "How long does a fork take while 1,000 functions are enabled?"
set ylabel "milliseconds of virtual time"
set logscale y
set yrange [*:*]
plot file("fork") using 2:xtic(1) ls 1 title "stock", "" using 3 ls 2 title "ours"
