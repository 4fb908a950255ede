from oddpixel.cli import main

main()
